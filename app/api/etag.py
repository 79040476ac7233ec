"""ETags for JSON responses, and 304 for clients that have the current one."""

from __future__ import annotations

import hashlib
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PLACE = "/v1/"
_JSON = "application/json"
_HASH = 16  # hexadecimal digits: enough to tell two states of one resource apart
# An ETag that a route has set is a version, unless it is as long as a file's hash.
_VERSION = re.compile(r'"[A-Za-z0-9._]{1,60}"')
_STRIPPED = ("content-length", "content-type")


class Tags:
    """Give every complete JSON response an ETag of version and content hash, and answer If-None-Match."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold the response head back until the body is known; pure ASGI."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(_PLACE):
            await self.app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        head: Message | None = None

        async def tagged(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start" and message["status"] == 200:
                head = message
                return
            if head is not None and not message.get("more_body") and _tag(head, message["body"]):
                message = _unless_known(head, message, known)
            if head is not None:
                begun, head = head, None
                await send(begun)
            await send(message)

        await self.app(scope, receive, tagged)


def _tag(head: Message, body: bytes) -> bool:
    """Add an ETag to JSON; return whether the response has one."""
    headers = MutableHeaders(scope=head)
    own = headers.get("etag", "")
    if headers.get("content-type", "").startswith(_JSON) and (not own or _VERSION.fullmatch(own)):
        digest = hashlib.sha256(body).hexdigest()[:_HASH]
        headers["ETag"] = f'{own[:-1]}-{digest}"' if own else f'"{digest}"'
    return "etag" in headers


def _unless_known(head: Message, message: Message, known: str) -> Message:
    """Return the body, or turn the response into an empty 304 if If-None-Match names its ETag."""
    headers = MutableHeaders(scope=head)
    tags = [each.strip().removeprefix("W/") for each in known.split(",")]
    if headers["etag"] not in tags:
        return message
    head["status"] = 304
    for name in _STRIPPED:
        del headers[name]
    return {**message, "body": b""}

"""ASGI middleware for every request: its id, its log line, a body size limit and response headers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from app.api.rate_limit import Address, peer
from app.api.uploads import BODY_LIMIT, LIMIT
from app.core import clock
from app.observability import request_line
from app.observability.logs import REDACTED
from app.security import audit

WEBHOOKS = "/webhooks/"
_LINK = 3  # position of the link's name in a webhook's path
_TOKEN = 16  # minimum length of a path token
_OURS = b"x-request-id"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestContext:
    """Give each request an id (the client's X-Request-Id if valid) and log its result.

    names: words that may appear in logged webhook paths, which may also hold a secret. headers: defaults for
    all responses. address: returns the client's address for (peer, X-Forwarded-For).
    """

    def __init__(
        self, app: ASGIApp, names: Collection[str], headers: Mapping[str, str], address: Address
    ) -> None:
        self.app = app
        self.names = names
        self.headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self.names_of_headers = {_OURS, *(name for name, _ in self.headers)}
        self.address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; pure ASGI, so that streams are not buffered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        said = next((value for name, value in scope["headers"] if name == _OURS), b"")
        asked = said.decode("latin-1")
        scope["request_id"] = asked if _ID.fullmatch(asked) else secrets.token_hex(16)
        audit.origin.set(peer(scope, self.address))
        bound = bind_contextvars(request_id=scope["request_id"])
        try:
            await self._serve(scope, receive, send)
        finally:
            reset_contextvars(**bound)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status = clock.monotonic(), 0

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(message, scope["request_id"])
            await send(message)

        try:
            await self.app(scope, receive, reply)
        finally:
            taken = round((clock.monotonic() - started) * 1000, 1)
            path = _shown(scope["path"], status, self.names)
            whose = {"who": scope.get("caller", ""), "origin": audit.origin.get()}
            method = scope["method"] if scope["method"].isalpha() else "other"  # a number could stand in it
            request_line.write({"method": method, "path": path, "status": status, "ms": taken, **whose})

    def _add_headers(self, message: Message, request_id: str) -> None:
        given, ours = message["headers"], [(_OURS, request_id.encode("latin-1")), *self.headers]
        names = {name for name, _ in given}
        if not names.isdisjoint(self.names_of_headers):
            given = [each for each in given if each[0] != _OURS]
            ours = [each for each in ours if each[0] == _OURS or each[0] not in names]
        message["headers"] = [*given, *ours]


def _shown(path: str, status: int, names: Collection[str]) -> str:
    """Return the path without a webhook's secret, even if that is misplaced or the path misspelt."""
    webhook = path.startswith(WEBHOOKS)
    if not webhook and status != 404:
        return path
    steps = path.split("/")
    for place, step in enumerate(steps):
        if (webhook and place > _LINK) or (len(step) >= _TOKEN and step not in names):
            steps[place] = REDACTED
    return "/".join(steps)


class BodyLimit:
    """Refuse bodies over BODY_LIMIT while they arrive, so that none fills memory or disk."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count received bytes. Webhooks have their own limit; uploads set a higher one in the scope."""
        if scope["type"] != "http" or scope["path"].startswith(WEBHOOKS):
            await self.app(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            limit = scope.get(LIMIT, BODY_LIMIT)
            if seen > limit:
                raise HTTPException(413, f"The body is larger than {limit} bytes.")
            return message

        await self.app(scope, counted, send)

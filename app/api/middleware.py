"""Around every request: its id, its line in the log, a limit on its body, and headers for browsers."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Mapping

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.rate_limit import Address, peer
from app.api.uploads import BODY_LIMIT, LIMIT
from app.core import clock
from app.observability.logs import REDACTED
from app.security import audit

WEBHOOKS = "/webhooks/"
_LINK = 3  # the place of the link's name in the path of a webhook
_TOKEN = 16  # no path token is shorter
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger()


class RequestContext:
    """Gives each request an id (the caller's own X-Request-Id where it has one) and logs what came of it.

    names: words that may stand in the path of a webhook, which may also hold a secret. headers: for every
    answer that does not set them itself. address: whose a call is, by (peer, X-Forwarded-For).
    """

    def __init__(
        self, app: ASGIApp, names: Collection[str], headers: Mapping[str, str], address: Address
    ) -> None:
        self.app = app
        self.names = names
        self.headers = headers
        self.address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pure ASGI: streams pass through untouched."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("x-request-id", "")
        scope["request_id"] = asked if _ID.fullmatch(asked) else uuid.uuid4().hex
        audit.origin.set(peer(scope, self.address))
        with structlog.contextvars.bound_contextvars(request_id=scope["request_id"]):
            await self._serve(scope, receive, send)

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
            log.info("request", method=scope["method"], path=path, status=status, ms=taken, **whose)

    def _add_headers(self, message: Message, request_id: str) -> None:
        headers = MutableHeaders(scope=message)
        headers["X-Request-Id"] = request_id
        for name, value in self.headers.items():
            headers.setdefault(name, value)


def _shown(path: str, status: int, names: Collection[str]) -> str:
    """The path without the secret that a webhook's may hold, be it in the wrong place or misspelt."""
    webhook = path.startswith(WEBHOOKS)
    if not webhook and status != 404:
        return path
    steps = path.split("/")
    for place, step in enumerate(steps):
        if (webhook and place > _LINK) or (len(step) >= _TOKEN and step not in names):
            steps[place] = REDACTED
    return "/".join(steps)


class BodyLimit:
    """Refuses bodies over BODY_LIMIT as they come in, so that none fills memory or disk."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what is received; webhooks are counted by who reads them, uploads have more room there."""
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

"""Around every request: its id, its line in the log, a limit on its body, and headers for browsers."""

from __future__ import annotations

import re
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import clock

BODY_LIMIT = 1_048_576  # bytes of a body that is no upload; uploads have a limit of their own
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

log = structlog.get_logger()


class RequestContext:
    """Gives each request an id (the caller's own X-Request-Id where it has one) and logs what came of it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pure ASGI: streams pass through untouched."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("x-request-id", "")
        scope["request_id"] = asked if _ID.fullmatch(asked) else uuid.uuid4().hex
        with structlog.contextvars.bound_contextvars(request_id=scope["request_id"]):
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status = clock.monotonic(), 0

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, scope["request_id"])
            await send(message)

        try:
            await self.app(scope, receive, reply)
        finally:
            taken = round((clock.monotonic() - started) * 1000, 1)
            log.info("request", method=scope["method"], path=scope["path"], status=status, ms=taken)


def _add_headers(message: Message, request_id: str) -> None:
    headers = MutableHeaders(scope=message)
    headers["X-Request-Id"] = request_id
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)


class BodyLimit:
    """Refuses bodies over BODY_LIMIT as they come in, so that none fills the memory."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what is received; uploads (multipart) are counted by who stores them."""
        kind = Headers(scope=scope).get("content-type", "") if scope["type"] == "http" else ""
        if scope["type"] != "http" or kind.startswith("multipart/"):
            await self.app(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > BODY_LIMIT:
                raise HTTPException(413, f"The body is larger than {BODY_LIMIT} bytes.")
            return message

        await self.app(scope, counted, send)

"""Carriers' calls, the busiest of all, without the framework: no matching of routes, dependencies, stacks.

An answer differs in nothing whether this or the framework gave it; tests/app/receipts/test_plain_route.py
asks both. What is no plain call (another method, another path) goes on to the framework.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.receipts.webhook_calls import WebhookPath, answer

_PREFIX = "/webhooks/"
_METHODS = ("POST", "GET")

Handler = Callable[[Request, Exception], Response]


class PlainRoute:
    """Answer POST and GET of /webhooks/{carrier}/{link} and .../{token}, with the application's own words.

    Stands within what every answer needs (hosts, origins, ids, headers, the log) and before what no webhook
    needs: limits of their own, tags and sizes of other bodies.
    """

    def __init__(self, app: ASGIApp, owner: Starlette) -> None:
        self.app = app
        self.owner = owner
        # What nothing but the application's outermost shell answers goes on to it.
        known = cast(dict[type[Exception], Handler], owner.exception_handlers)
        self.handlers = {kind: handler for kind, handler in known.items() if kind is not Exception}
        self.kinds = tuple(self.handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        called = _webhook_path(scope)
        if called is None:
            await self.app(scope, receive, send)
            return
        try:
            said = await answer(self.owner.state, scope, receive, called)
        except self.kinds as error:
            await self._problem(scope, receive, error)(scope, receive, send)
            return
        headers = _headers(said.content_type, len(said.body))
        await send({"type": "http.response.start", "status": 200, "headers": [*headers]})
        await send({"type": "http.response.body", "body": said.body})

    def _problem(self, scope: Scope, receive: Receive, error: Exception) -> Response:
        """Return what the application says to the error."""
        kind = next(each for each in type(error).__mro__ if each in self.handlers)
        return self.handlers[kind](Request(scope, receive), error)


def _webhook_path(scope: Scope) -> WebhookPath | None:
    """Return what the path names, as the framework would match it; None for what it has to answer."""
    if scope["type"] != "http" or scope["method"] not in _METHODS or scope.get("root_path"):
        return None
    path: str = scope["path"]
    if not path.startswith(_PREFIX):
        return None
    steps = path[len(_PREFIX) :].split("/")
    if len(steps) not in (2, 3) or "" in steps:
        return None
    return WebhookPath(*steps)


@lru_cache(maxsize=64)
def _headers(content_type: str, length: int) -> tuple[tuple[bytes, bytes], ...]:
    return (b"content-type", content_type.encode("latin-1")), (b"content-length", b"%d" % length)

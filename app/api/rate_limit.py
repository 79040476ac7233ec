"""How often one caller may ask: a bucket for each key, and for each address that shows none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.token_buckets import RETRY, Buckets, TooOften, subscriber
from app.core.errors import AppError

# What has a limit of its own, and what costs nothing.
_FREE = ("/webhooks/", "/healthz", "/verify", "/static/")

Address = Callable[[str, str], str]
Refuse = Callable[[Request, AppError], Response]


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests in a minute: of a key or session that is known to be good, and of an address without one."""

    caller: int
    stranger: int


class Rates:
    """Refuses with 429 whoever asks too often, for a page as for an answer of the API.

    A key or session has a share of its own once somebody was let in by it; until then it counts for the
    address that shows it, so that guessing is slow and nobody makes shares by making keys up.
    address: whose a call is, by (peer, X-Forwarded-For); refuse: makes the answer; cookie: the session's.
    """

    def __init__(self, app: ASGIApp, limits: Limits, address: Address, refuse: Refuse, cookie: str) -> None:
        self.app = app
        self.cookie = cookie
        self.address = address
        self.refuse = refuse
        self.callers = Buckets(limits.caller)
        self.strangers = Buckets(limits.stranger)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pure ASGI: streams pass through untouched."""
        if scope["type"] != "http" or str(scope["path"]).startswith(_FREE):
            await self.app(scope, receive, send)
            return
        shown = _credentials(Request(scope), self.cookie)
        known = self.callers.known(shown)
        buckets = self.callers if known else self.strangers
        headers = buckets.take(shown if known else f"address {subscriber(peer(scope, self.address))}")

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
                if not known and "admitted" in scope:  # by app/security/authorization.py
                    self.callers.take(shown)
            await send(message)

        app = self.app if RETRY not in headers else self._refusal(scope, headers[RETRY])
        await app(scope, receive, told)

    def _refusal(self, scope: Scope, seconds: str) -> Response:
        return self.refuse(Request(scope), TooOften(f"Too many requests; wait {seconds} seconds."))


def peer(scope: Scope, address: Address) -> str:
    """The caller's address, as far as proxies can be believed."""
    connected = scope["client"][0] if scope.get("client") else ""
    return address(connected, ", ".join(Headers(scope=scope).getlist("x-forwarded-for")))


def _credentials(request: Request, cookie: str) -> str:
    """Hash the key, or the session's token, as app/security/authorization.py reads them; "" without either.

    Of nothing else: whoever writes the same key in many ways still has one share.
    """
    scheme, key = get_authorization_scheme_param(request.headers.get("authorization"))
    shown = key if scheme.lower() == "bearer" and key else request.cookies.get(cookie, "")
    return f"key {hashlib.sha256(shown.encode('utf-8', 'surrogatepass')).hexdigest()}" if shown else ""

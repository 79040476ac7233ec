"""How often one caller may ask: a bucket for each key, and for each address that shows none."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import clock
from app.core.errors import AppError

# ---- Shares of requests: a bucket for each caller, and who counts as one caller

_CALLERS = 10_000  # who has not asked for longest is forgotten first: that share is whole again anyway
RETRY = "Retry-After"


class TooOften(AppError):
    """More requests than one caller may send; wait as long as Retry-After says."""

    status, slug, title = 429, "too-often", "Too many requests"


@dataclass(slots=True)
class Bucket:
    """What is left of a caller's share; it fills up again by the second."""

    left: float
    at: float


class Buckets:
    """One share for each caller: `per_minute` requests at once, and as many again in a minute.

    Of this process: where several serve, each is given its part of the limit (setting api_processes).
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def known(self, who: str) -> bool:
        """Whether this caller has a bucket."""
        return who in self._buckets

    def wait(self, who: str) -> int:
        """In how many seconds this caller may ask again; 0: now. Takes nothing."""
        bucket, rate = self._buckets.get(who), self.per_minute / 60
        if bucket is None:
            return 0
        left = bucket.left + (clock.monotonic() - bucket.at) * rate
        return 0 if left >= 1 else math.ceil((1 - left) / rate)

    def take(self, who: str) -> dict[str, str]:
        """Take one request out of the caller's share, if it is there; the headers that say how it stands.

        RateLimit-*: the share, what is left of it, in how many seconds it is whole again. Retry-After: none
        was left.
        """
        now, rate = clock.monotonic(), self.per_minute / 60
        bucket = self._buckets.setdefault(who, Bucket(self.per_minute, now))
        self._buckets.move_to_end(who)
        if len(self._buckets) > _CALLERS:
            self._buckets.popitem(last=False)
        left = min(self.per_minute, bucket.left + (now - bucket.at) * rate)
        bucket.left, bucket.at = left - (left >= 1), now
        found = {
            "RateLimit-Limit": str(self.per_minute),
            "RateLimit-Remaining": str(math.floor(bucket.left)),
            "RateLimit-Reset": str(math.ceil((self.per_minute - bucket.left) / rate)),
        }
        return found if left >= 1 else found | {RETRY: str(math.ceil((1 - left) / rate))}


def subscriber(address: str) -> str:
    """What one subscriber of a network has: an IPv4 address, or 64 bits of IPv6, however many are used."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return address if found.version == 4 else str(ip_network((found, 64), strict=False))


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

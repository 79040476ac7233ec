"""Rate limits: one token bucket per key, and one per address for requests without a valid key."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import clock
from app.core.errors import AppError, TooOften

_CALLERS = 10_000  # above this the least recent caller is dropped, whose bucket is full again anyway
RETRY = "Retry-After"


@dataclass(slots=True)
class Bucket:
    """What is left of a caller's share; refilled continuously."""

    left: float
    at: float


class Buckets:
    """One bucket per caller: a burst of `per_minute` requests, refilled within a minute.

    Buckets are per process; the setting api_processes divides the limit among several.
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def known(self, who: str) -> bool:
        return who in self._buckets

    def wait(self, who: str) -> int:
        """Return the seconds until this caller may send a request, 0 for now, without taking one."""
        bucket, rate = self._buckets.get(who), self.per_minute / 60
        if bucket is None:
            return 0
        left = bucket.left + (clock.monotonic() - bucket.at) * rate
        return 0 if left >= 1 else math.ceil((1 - left) / rate)

    def take(self, who: str) -> dict[str, str]:
        """Take one request from the caller's share if possible; return the headers to send.

        RateLimit-*: the share, the rest, and the seconds until it is full. Retry-After: if none was left.
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


@lru_cache(maxsize=1024)  # callers come again
def subscriber(address: str) -> str:
    """Return what identifies one subscriber of a network: the IPv4 address, or the IPv6 /64 prefix."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return address if found.version == 4 else str(ip_network((found, 64), strict=False))


# Paths with a limit of their own, or that cost nothing.
_EXEMPT = ("/webhooks/", "/healthz", "/verify", "/static/")

Address = Callable[[str, str], str]
Refuse = Callable[[Request, AppError], Response]


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests per minute: for a valid key or session, and for an address without one."""

    caller: int
    stranger: int


class Rates:
    """Refuse callers over their limit with 429, on pages and in the API.

    A key or session gets its own bucket once it was admitted. Until then it counts against its address, so
    that guessing is slow and invented keys gain nothing.
    address: returns the client's address for (peer, X-Forwarded-For); refuse: builds the response; cookie:
    name of the session cookie.
    """

    def __init__(self, app: ASGIApp, limits: Limits, address: Address, refuse: Refuse, cookie: str) -> None:
        self.app = app
        self.cookie = cookie
        self.address = address
        self.refuse = refuse
        self.callers = Buckets(limits.caller)
        self.strangers = Buckets(limits.stranger)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or str(scope["path"]).startswith(_EXEMPT):
            await self.app(scope, receive, send)
            return
        shown = _credentials(Request(scope), self.cookie)
        known = self.callers.known(shown)
        buckets = self.callers if known else self.strangers
        headers = buckets.take(shown if known else f"address {subscriber(peer(scope, self.address))}")

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
                if not known and "admitted" in scope:  # by app/security/authorization.py
                    self.callers.take(shown)
            await send(message)

        app = self.app if RETRY not in headers else self._refusal(scope, headers[RETRY])
        await app(scope, receive, with_headers)

    def _refusal(self, scope: Scope, seconds: str) -> Response:
        return self.refuse(
            Request(scope), TooOften("Too many requests. Try again in {seconds} seconds.", seconds=seconds)
        )


def peer(scope: Scope, address: Address) -> str:
    connected = scope["client"][0] if scope.get("client") else ""
    forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return address(connected, ", ".join(forwarded))


def admit_stranger(request: Request) -> None:
    """Raise TooOften for an address that asks the public pages too often (`verify_per_minute`)."""
    forwarded = ", ".join(request.headers.getlist("x-forwarded-for"))
    request.app.state.genuine.admit(request.client.host if request.client else "", forwarded)


def _credentials(request: Request, cookie: str) -> str:
    """Hash the key or session token as app/security/authorization.py reads it; "" if there is neither.

    Nothing else is hashed, so writing the same key in different ways gains no second bucket.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    shown = key.strip() if scheme.lower() == "bearer" and key.strip() else request.cookies.get(cookie, "")
    return f"key {hashlib.sha256(shown.encode('utf-8', 'surrogatepass')).hexdigest()}" if shown else ""

"""Token buckets, one per caller, and what counts as one caller."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network

from app.core import clock
from app.core.errors import AppError

_CALLERS = 10_000  # above this the least recent caller is dropped, whose bucket is full again anyway
RETRY = "Retry-After"


class TooOften(AppError):
    """More requests than one caller may send in a minute.

    Wait as many seconds as `Retry-After` says; every answer under `/v1` says in `RateLimit-Remaining` what
    is left.
    """

    status, slug, title = 429, "too-often", "Too many requests"


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

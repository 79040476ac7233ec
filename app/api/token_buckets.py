"""Shares of requests: a bucket for each caller, and who counts as one caller."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from app.core import clock
from app.core.errors import AppError

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

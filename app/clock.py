"""The only place that asks the time: aware UTC inside, Asia/Ho_Chi_Minh at the edge."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

# Viet Nam has one zone, UTC+7, and no summer time: a fixed offset needs no zone files on the host.
VIETNAM = timezone(timedelta(hours=7), "ICT")
DAY_MS = 86_400_000
VIETNAM_OFFSET_MS = 7 * 3_600_000


def now() -> datetime:
    """The present instant, aware, UTC."""
    return datetime.now(UTC)


def now_ms() -> int:
    """The present instant as milliseconds since 1970, the form in which the ledger keeps times."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Seconds on a clock that never jumps: for deadlines, leases and rates."""
    return time.monotonic()


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970 of an aware instant."""
    return round(at.timestamp() * 1000)


def from_ms(ms: int) -> datetime:
    """The aware instant of a ledger time."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def local(at: datetime) -> datetime:
    """The same instant on the wall clock of Viet Nam."""
    return at.astimezone(VIETNAM)

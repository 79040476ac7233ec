"""The only module that reads the clock: aware UTC inside, Asia/Ho_Chi_Minh at the edge."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as time_of_day
from typing import overload

from carriers.contract import since_boot

# Vietnam has one zone, UTC+7, without summer time, so a fixed offset needs no zone files on the host.
VIETNAM = timezone(timedelta(hours=7), "ICT")
DAY_MS = 86_400_000
VIETNAM_OFFSET_MS = 7 * 3_600_000
_TIME_OF_DAY = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")
_END_MS = 7_258_118_400_000  # 2200: still displayable some years later and in any zone


class Unreal(ValueError):
    """A time before 1970 or after 2199: mistyped, or an attempt to break something."""

    def __init__(self) -> None:
        super().__init__("Times must be between 1970 and 2199. Check the year.")


def is_time(value: str) -> bool:
    """Return whether this is a time of day as HH:MM, 00:00 to 24:00."""
    return _TIME_OF_DAY.fullmatch(value) is not None


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def now_ms() -> int:
    """Return the current time in milliseconds since 1970, the ledger's representation."""
    global _latest_ms
    found = time.time_ns() // 1_000_000
    _latest_ms = max(_latest_ms, found)
    return found


_latest_ms = 0


def latest_ms() -> int:
    """Return the latest time that `now_ms` has given since `forget_latest`: no later one was stored."""
    return _latest_ms


def forget_latest() -> None:
    """Begin anew, once what was stored by a clock that was ahead has been moved back."""
    global _latest_ms
    _latest_ms = 0


def monotonic() -> float:
    """Return seconds on a clock that never jumps, for deadlines, leases and rates.

    It runs on while the machine is suspended, as leases expire meanwhile; Permit uses the same clock.
    """
    return since_boot()


def to_ms(at: datetime) -> int:
    """Convert an aware time to milliseconds since 1970; Unreal if out of range."""
    ms = round(at.timestamp() * 1000)
    if not 0 <= ms < _END_MS:
        raise Unreal
    return ms


def to_ms_or_none(at: datetime | None) -> int | None:
    """Convert a time given by others; None if it is out of range."""
    try:
        return None if at is None else to_ms(at)
    except Unreal:
        return None


def from_ms(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def local(at: datetime) -> datetime:
    """Convert to Vietnam's time zone."""
    return at.astimezone(VIETNAM)


@overload
def moment(ms: int) -> datetime: ...


@overload
def moment(ms: int | None) -> datetime | None: ...


def moment(ms: int | None) -> datetime | None:
    """Return the time in Vietnam of these milliseconds since 1970; None of None."""
    return None if ms is None else local(from_ms(ms))


def plus_months(ms: int, months: int) -> int:
    """Add months on Vietnam's calendar; if that day does not exist, use the first day after it."""
    at = local(from_ms(ms))
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    days = timedelta(days=at.day - 1)
    return to_ms(at.replace(year=year, month=month + 1, day=1) + days)


def midnight(day: date) -> datetime:
    """Return the time at which a day begins in Vietnam."""
    return datetime.combine(day, time_of_day(), VIETNAM)

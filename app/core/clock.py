"""The only place that asks the time: aware UTC inside, Asia/Ho_Chi_Minh at the edge."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as time_of_day

from carriers.permit import since_boot

# Viet Nam has one zone, UTC+7, and no summer time: a fixed offset needs no zone files on the host.
VIETNAM = timezone(timedelta(hours=7), "ICT")
DAY_MS = 86_400_000
VIETNAM_OFFSET_MS = 7 * 3_600_000
_TIME_OF_DAY = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")
_END_MS = 7_258_118_400_000  # 2200: years later and in any zone, a time is still one that can be shown


class Unreal(ValueError):
    """A time before 1970 or after 2199: whoever wrote it has mistyped it, or wants to break something."""

    def __init__(self) -> None:
        super().__init__("A time lies between 1970 and 2199; look at the year.")


def is_time(value: str) -> bool:
    """Whether this is a time of the day as HH:MM, 00:00 to 24:00."""
    return _TIME_OF_DAY.fullmatch(value) is not None


def now() -> datetime:
    """The present instant, aware, UTC."""
    return datetime.now(UTC)


def now_ms() -> int:
    """The present instant as milliseconds since 1970, the form in which the ledger keeps times."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Seconds on a clock that never jumps: for deadlines, leases and rates.

    It goes on while the machine is suspended, for leases run out meanwhile; the same clock as that of Permit.
    """
    return since_boot()


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970 of an aware instant; Unreal for one that none of ours can be."""
    ms = round(at.timestamp() * 1000)
    if not 0 <= ms < _END_MS:
        raise Unreal
    return ms


def to_ms_or_none(at: datetime | None) -> int | None:
    """The same of what others have written down: an impossible time is none."""
    try:
        return None if at is None else to_ms(at)
    except Unreal:
        return None


def from_ms(ms: int) -> datetime:
    """The aware instant of a ledger time."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def local(at: datetime) -> datetime:
    """The same instant on the wall clock of Viet Nam."""
    return at.astimezone(VIETNAM)


def plus_months(ms: int, months: int) -> int:
    """So many months later on the calendar of Viet Nam; where that day is missing, the first day after."""
    at = local(from_ms(ms))
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    days = timedelta(days=at.day - 1)
    return to_ms(at.replace(year=year, month=month + 1, day=1) + days)


def midnight(day: date) -> datetime:
    """The instant at which a day begins in Viet Nam."""
    return datetime.combine(day, time_of_day(), VIETNAM)

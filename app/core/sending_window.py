"""Sending hours: when a campaign's window is open, when that changes, and when work will be finished.

Everybody asks this module, but for the stages in lists: the same rule in SQL, `_closed` of app/web/stages.py.
Default hours: `day_starts` and `day_ends` of config.py. Their limits: app/campaigns/quiet_hours.py. Enforced
by app/dispatch/run_content.py, before a chunk is claimed, and by the chunk's permit (carriers/contract.py),
to which app/dispatch/claims.py gives its end: send_loop.py asks it before each half is reserved, links before
each write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from app.core import clock

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` (inclusive) to `end` (exclusive), and within it daily hours in Vietnam.

    start, end: aware; None is open-ended. day_starts, day_ends: HH:MM; 00:00 to 24:00 is the whole day.
    """

    start: datetime | None
    end: datetime | None
    day_starts: str
    day_ends: str

    @classmethod
    def of(cls, start_ms: int | None, end_ms: int | None, day_starts: str, day_ends: str) -> Window:
        return cls(_instant(start_ms), _instant(end_ms), day_starts, day_ends)


def open_at(window: Window, now: datetime) -> bool:
    if window.start is not None and now < window.start:
        return False
    if window.end is not None and now >= window.end:
        return False
    opens, closes = _hours(window, now)
    return opens <= now < closes


def closes_at(window: Window, now: datetime) -> datetime | None:
    """Return when an open window closes next, `now` for one that is closed; None if it never does."""
    return _closing(window, now) if open_at(window, now) else now


def next_change(window: Window, now: datetime) -> datetime | None:
    """Return the first time after `now` at which open_at changes; None if it never does."""
    return _closing(window, now) if open_at(window, now) else _opening(window, now)


def finish(window: Window, start: datetime, seconds: float) -> datetime | None:
    """Return when `seconds` of open time after `start` end; None if past the window's end or the calendar."""
    if seconds <= 0:
        return start
    opens, closes = _hours(window, max(start, window.start or start))
    began = max(start, window.start or start, opens)
    left_today = max((closes - began).total_seconds(), 0.0)
    try:
        done = began + timedelta(seconds=seconds)
        if seconds > left_today:
            done = _later(opens, seconds - left_today, (closes - opens).total_seconds())
    except OverflowError:
        return None
    return done if window.end is None or done <= window.end else None


def _later(opens: datetime, seconds: float, a_day: float) -> datetime:
    """Add `seconds` of open time, counted from the opening on the day after `opens`."""
    days, rest = divmod(seconds, a_day)
    if rest == 0:  # finishes when the previous day closes, not when the next one opens
        days, rest = days - 1, a_day
    return opens + _DAY * (1 + int(days)) + timedelta(seconds=rest)


def _closing(window: Window, now: datetime) -> datetime | None:
    if (window.day_starts, window.day_ends) == ("00:00", "24:00"):
        return window.end
    closes = _hours(window, now)[1]
    return closes if window.end is None else min(closes, window.end)


def _opening(window: Window, now: datetime) -> datetime | None:
    earliest = max(now, window.start or now)
    opens, closes = _hours(window, earliest)
    if earliest >= closes:
        opens += _DAY
    opening = max(opens, earliest)
    return opening if window.end is None or opening < window.end else None


def _hours(window: Window, at: datetime) -> tuple[datetime, datetime]:
    """Return when sending opens and closes on the day of `at` in Vietnam."""
    midnight = clock.local(at).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + _since_midnight(window.day_starts), midnight + _since_midnight(window.day_ends)


@lru_cache(maxsize=256)
def _since_midnight(time: str) -> timedelta:
    hours, _, minutes = time.partition(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def _instant(ms: int | None) -> datetime | None:
    return None if ms is None else clock.from_ms(ms)

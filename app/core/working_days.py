"""Working days of Viet Nam: neither weekends nor public holidays; pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

# Holidays that have the same day each year (Bộ luật Lao động 2019, Điều 112). Tet, the Hung Kings' day, the
# second day of the National Day and days off in lieu are announced each year: the setting `holidays`.
_EACH_YEAR = frozenset({(1, 1), (4, 30), (5, 1), (9, 2)})
_SATURDAY = 5


def is_working_day(day: date, holidays: Collection[date] = ()) -> bool:
    return day.weekday() < _SATURDAY and (day.month, day.day) not in _EACH_YEAR and day not in holidays


def working_days_after(day: date, count: int, holidays: Collection[date] = ()) -> date:
    """Return the last of `count` working days after this day, which itself does not count."""
    while count:
        day += timedelta(days=1)
        count -= is_working_day(day, holidays)
    return day

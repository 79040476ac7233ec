"""Numbers, dates and durations by language; times on Viet Nam's clock."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from functools import lru_cache

from babel.dates import format_date
from babel.numbers import format_decimal

from app.core import clock
from app.reports.figures import numbers

NOTHING = numbers.NOTHING
_DATE = {"vi": "dd/MM/yyyy", "en": "d MMM yyyy"}


# A page has hundreds of numbers, most of them small and the same; formatting one takes 50 µs.
_KNOWN = 4096


@lru_cache(_KNOWN)
def count(number: float | None, language: str) -> str:
    """1234567 -> 1.234.567; a dash for None."""
    return NOTHING if number is None else str(format_decimal(number, "#,##0", language))


@lru_cache(_KNOWN)
def rate(number: float | None, language: str) -> str:
    """1234.56 -> 1.234,6; a dash for None."""
    return NOTHING if number is None else str(format_decimal(number, "#,##0.0", language))


def percent(ratio: float | None, language: str) -> str:
    """0.925 -> 92,5 %; never rounded to 100 % or 0 %, which would claim all or nothing."""
    said = numbers.percent(ratio)
    return said if language == "vi" else said.replace(",", ".").replace(" ", "")


def day(at: date | datetime | None, language: str) -> str:
    """29/01/2024; a dash for None."""
    if at is None:
        return NOTHING
    on = clock.local(at).date() if isinstance(at, datetime) else at
    return _date(on, language)


@lru_cache(_KNOWN)
def _date(on: date, language: str) -> str:
    return str(format_date(on, _DATE[language], language))


def moment(at: datetime | None, language: str) -> str:
    """16:40 29/01/2024; a dash for None."""
    return NOTHING if at is None else f"{clock.local(at):%H:%M} {day(at, language)}"


def second(at: datetime | None, language: str) -> str:
    """16:40:05 29/01/2024; a dash for None."""
    return NOTHING if at is None else f"{clock.local(at):%H:%M:%S} {day(at, language)}"


def hour(at: datetime | None, language: str) -> str:
    """16:40:05; a dash for None."""
    return NOTHING if at is None else f"{clock.local(at):%H:%M:%S}"


def iso(at: datetime | None) -> str:
    """ISO 8601 with Viet Nam's offset."""
    return "" if at is None else clock.local(at).isoformat(timespec="seconds")


_WRITTEN = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d:\d\d).*)?")


def typed(said: object) -> str:
    """Return a day or moment as it is typed: 05/02/2024, 08:00 05/02/2024; anything else as it is."""
    found = _WRITTEN.fullmatch(str(said))
    if found is None:
        return str(said)
    year, month, day_of, time = found.groups()
    return f"{time} {day_of}/{month}/{year}" if time else f"{day_of}/{month}/{year}"


def whole(span: timedelta) -> tuple[int, int, int]:
    """Split a span into days, hours and minutes, ignoring its sign."""
    minutes = abs(int(span.total_seconds())) // 60
    return minutes // 1440, minutes // 60 % 24, minutes % 60

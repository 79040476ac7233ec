"""Numbers, dates and spans of time as readers of each language write them; times on the clock of Viet Nam."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from babel.dates import format_date
from babel.numbers import format_decimal

from app.core import clock
from app.reports.render import numbers

NOTHING = numbers.NOTHING
_DATE = {"vi": "dd/MM/yyyy", "en": "d MMM yyyy"}


def count(number: float | None, language: str) -> str:
    """1234567 -> 1.234.567; a dash where there is none."""
    return NOTHING if number is None else str(format_decimal(number, "#,##0", language))


def rate(number: float | None, language: str) -> str:
    """1234.56 -> 1.234,6; a dash where there is none."""
    return NOTHING if number is None else str(format_decimal(number, "#,##0.0", language))


def percent(ratio: float | None, language: str) -> str:
    """0.925 -> 92,5 %; never rounded to 100 % or 0 % while something is missing or there."""
    said = numbers.percent(ratio)
    return said if language == "vi" else said.replace(",", ".").replace(" ", "")


def day(at: date | datetime | None, language: str) -> str:
    """29/01/2024; a dash where there is none."""
    if at is None:
        return NOTHING
    on = clock.local(at).date() if isinstance(at, datetime) else at
    return str(format_date(on, _DATE[language], language))


def moment(at: datetime | None, language: str) -> str:
    """16:40 29/01/2024; a dash where there is none."""
    return NOTHING if at is None else f"{clock.local(at):%H:%M} {day(at, language)}"


def second(at: datetime | None, language: str) -> str:
    """16:40:05 29/01/2024; a dash where there is none."""
    return NOTHING if at is None else f"{clock.local(at):%H:%M:%S} {day(at, language)}"


def hour(at: datetime | None, language: str) -> str:
    """16:40:05, of today; a dash where there is none."""
    return NOTHING if at is None else f"{clock.local(at):%H:%M:%S}"


def iso(at: datetime | None) -> str:
    """For machines, with the offset of Viet Nam."""
    return "" if at is None else clock.local(at).isoformat(timespec="seconds")


def whole(span: timedelta) -> tuple[int, int, int]:
    """Days, hours and minutes of a span, whatever its sign."""
    minutes = abs(int(span.total_seconds())) // 60
    return minutes // 1440, minutes // 60 % 24, minutes % 60

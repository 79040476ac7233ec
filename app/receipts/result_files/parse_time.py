"""When a line of a result file says that it happened, in the spellings that people and programs use."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from app.core import clock

# 29/01/2024 10:05[:09], also with dashes or dots, or the time before the date.
_DAY = r"(?P<day>[0-9]{1,2})[/.-](?P<month>[0-9]{1,2})[/.-](?P<year>20[0-9]{2})"
_HOUR = r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,][0-9]+)?)?"
_USUAL = re.compile(rf"{_DAY}(?:[ T,]+{_HOUR})?")
_TURNED = re.compile(rf"{_HOUR}[ ,]+{_DAY}")
_DIGITS = re.compile(r"(20[0-9]{12})(?:[0-9]{3})?")  # yyyyMMddHHmmss, perhaps with milliseconds
_SERIAL = re.compile(r"[34567][0-9]{4}(?:[.,][0-9]+)?")  # days since the end of 1899, as Excel counts
_ISO = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}(?:[T ].*)?")  # fromisoformat takes more than anybody means
_EXCEL_EPOCH = datetime(1899, 12, 30, tzinfo=clock.VIETNAM)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


def read_time(raw: str) -> int | None:
    """Milliseconds since 1970 (UTC), by the clock of Viet Nam where no zone is named; None: no such time.

    Days come before months. A date alone is its midnight.
    """
    text = raw.strip()
    try:
        at = _read(text)
        return clock.to_ms(at) if at is not None and at >= _EARLIEST else None
    except (ValueError, OverflowError):  # the 31st of February, the hour 25
        return None


def _read(text: str) -> datetime | None:
    usual = _USUAL.fullmatch(text) or _TURNED.fullmatch(text)
    if usual:
        parts = {name: int(value or 0) for name, value in usual.groupdict().items()}
        return datetime(**parts, tzinfo=clock.VIETNAM)
    digits = _DIGITS.fullmatch(text)
    if digits:
        return datetime.strptime(digits[1], "%Y%m%d%H%M%S").replace(tzinfo=clock.VIETNAM)
    if _SERIAL.fullmatch(text):
        # Whole seconds: a serial number has been through binary fractions.
        return _EXCEL_EPOCH + timedelta(seconds=round(float(text.replace(",", ".")) * 86_400))
    if not _ISO.fullmatch(text):
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=clock.VIETNAM)

"""The hours in which VNPT refuses a kind of traffic, and when it takes it again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from carriers.options import VIETNAM

_DAY = 24 * 60
# As the carrier's text of code 8 lists them (V2): before 8, 11:30-13, 18:30-20, after 21.
BLOCKED = "-800 1130-1300 1830-2000 2100-"


@dataclass(frozen=True, slots=True)
class Blocked:
    """Spans of the day in Vietnam, in minutes since midnight, end exclusive."""

    spans: tuple[tuple[int, int], ...] = ()

    def at(self, moment: datetime) -> bool:
        minute = _minute(moment)
        return any(first <= minute < last for first, last in self.spans)

    def open_from(self, moment: datetime) -> datetime:
        local = moment.astimezone(VIETNAM)
        while self.at(local):
            minute = _minute(local)
            end = max(last for first, last in self.spans if first <= minute < last)
            local = _midnight(local) + timedelta(minutes=end)
        return local

    def open_tomorrow(self, moment: datetime) -> datetime:
        return self.open_from(_midnight(moment.astimezone(VIETNAM)) + timedelta(days=1))


def read_blocked(value: object) -> Blocked:
    """Read spans such as "-800 1130-1300 2100-"; "" blocks nothing."""
    spans = tuple(_span(word) for word in str(value).split())
    covered = {minute for first, last in spans for minute in range(first, last)}
    if len(covered) >= _DAY:
        raise ValueError("must leave some minute of the day open")
    return Blocked(spans)


def _span(word: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{3,4})?-([0-9]{3,4})?", word)
    first, last = (_minutes(match[1], 0), _minutes(match[2], _DAY)) if match else (0, 0)
    if first >= last:
        raise ValueError("must be spans of hours such as -800 1130-1300 2100-")
    return first, last


def _minutes(text: str | None, absent: int) -> int:
    if text is None:
        return absent
    hour, minute = int(text[:-2]), int(text[-2:])
    if hour > 24 or minute > 59 or hour * 60 + minute > _DAY:
        raise ValueError("must hold times of the day such as 830 or 2100")
    return hour * 60 + minute


def _minute(moment: datetime) -> int:
    local = moment.astimezone(VIETNAM)
    return local.hour * 60 + local.minute


def _midnight(local: datetime) -> datetime:
    return local.replace(hour=0, minute=0, second=0, microsecond=0)

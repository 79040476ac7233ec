"""The night rule: which hours of the day a campaign may send in, and who has to give a reason.

These are the limits, 07:00 to 22:00; the default, 07:00 to 21:00, is `day_starts` and `day_ends` of
app/core/config.py. app/core/sending_window.py computes with the hours of a campaign;
app/dispatch/run_content.py, claims.py and send_loop.py send nothing outside them.
"""

from __future__ import annotations

from typing import NamedTuple

from app.core import clock
from app.core.errors import Invalid

# Quiet hours are all others: Vietnamese rules allow advertising only in these, and awareness keeps to them.
_STARTS, _ENDS = "07:00", "22:00"


class DayHours(NamedTuple):
    """Sending hours of the day, HH:MM in Vietnam."""

    starts: str
    ends: str


def check(day: DayHours, default: DayHours, purpose: str, *, urgent: bool) -> None:
    """Raise Invalid for values that are no times of day, or night hours of a campaign that is not urgent."""
    for name, time in (("day_starts", day.starts), ("day_ends", day.ends)):
        if not clock.is_time(time):
            raise Invalid("{field} must be a time of day as HH:MM, from 00:00 to 24:00.", field=name)
    if day.ends <= day.starts:
        raise Invalid(
            "The daily sending hours must end after they start. For the whole day, enter 00:00 to 24:00.",
            field="day_ends",
        )
    if urgent:
        return
    earliest, latest = min(default.starts, _STARTS), max(default.ends, _ENDS)
    if day.starts < earliest or day.ends > latest:
        raise Invalid(
            "Campaigns with the purpose {purpose} can only be sent between {earliest} and "
            "{latest}; canh_bao_khan has no such limit.",
            purpose=purpose,
            earliest=earliest,
            latest=latest,
            field="day_starts" if day.starts < earliest else "day_ends",
        )


def breaks_quiet_hours(day_starts: str, day_ends: str) -> bool:
    """Return whether these hours reach into the night: then the approver gives a reason."""
    return day_starts < _STARTS or day_ends > _ENDS

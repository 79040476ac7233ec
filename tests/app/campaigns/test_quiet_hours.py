"""The night rule: hours that are none, that end before they start, and that reach into the night."""

from __future__ import annotations

import pytest

from app.campaigns.quiet_hours import DayHours, breaks_quiet_hours, check
from app.core.errors import Invalid
from tests.exact import exactly

DEFAULT = DayHours("08:00", "20:00")


@pytest.mark.parametrize(
    ("starts", "ends"), [("07:00", "22:00"), ("08:00", "20:00"), ("07:00", "07:01"), ("21:59", "22:00")]
)
def test_hours_of_the_day_are_anybody_s(starts: str, ends: str) -> None:
    check(DayHours(starts, ends), DEFAULT, "tuyen_truyen", urgent=False)


@pytest.mark.parametrize(
    ("starts", "ends", "field"),
    [("06:59", "22:00", "day_starts"), ("07:00", "22:01", "day_ends"), ("00:00", "24:00", "day_starts")],
)
def test_the_night_is_for_urgent_campaigns_alone(starts: str, ends: str, field: str) -> None:
    with pytest.raises(
        Invalid,
        match=exactly(
            "Campaigns with the purpose tuyen_truyen can only be sent between 07:00 and 22:00; "
            "canh_bao_khan has no such limit."
        ),
    ) as refused:
        check(DayHours(starts, ends), DEFAULT, "tuyen_truyen", urgent=False)
    assert refused.value.field == field
    check(DayHours(starts, ends), DEFAULT, "canh_bao_khan", urgent=True)


def test_wider_hours_of_the_settings_are_anybody_s_too() -> None:
    wide = DayHours("06:00", "23:00")
    check(wide, wide, "tuyen_truyen", urgent=False)
    with pytest.raises(Invalid, match="between 06:00 and 23:00") as refused:
        check(DayHours("06:00", "23:01"), wide, "tuyen_truyen", urgent=False)
    assert refused.value.field == "day_ends"


@pytest.mark.parametrize("urgent", [True, False])
@pytest.mark.parametrize(
    ("starts", "ends", "field", "said"),
    [
        ("7:00", "21:00", "day_starts", "day_starts must be a time of day as HH:MM, from 00:00 to 24:00"),
        ("07:00", "24:01", "day_ends", "day_ends must be a time of day as HH:MM, from 00:00 to 24:00"),
        ("10:00", "10:00", "day_ends", "The daily sending hours must end after they start"),
        ("10:00", "09:59", "day_ends", "The daily sending hours must end after they start"),
    ],
)
def test_hours_that_are_none_are_refused_to_all(
    starts: str, ends: str, field: str, said: str, urgent: bool
) -> None:
    with pytest.raises(Invalid, match=said) as refused:
        check(DayHours(starts, ends), DEFAULT, "canh_bao_khan", urgent=urgent)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("starts", "ends", "breaks"),
    [
        ("07:00", "22:00", False),
        ("06:59", "22:00", True),
        ("07:00", "22:01", True),
        ("00:00", "24:00", True),
        ("07:01", "21:59", False),
    ],
)
def test_hours_before_seven_or_after_ten_need_the_approver_s_reason(
    starts: str, ends: str, breaks: bool
) -> None:
    assert breaks_quiet_hours(starts, ends) is breaks

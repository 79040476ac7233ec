"""Two working days leave out weekends, the holidays of each year, and those of the settings."""

from __future__ import annotations

from datetime import date

import pytest

from app.privacy.person_requests import working_days_after

TET = tuple(date(2024, 2, day) for day in range(8, 15))


@pytest.mark.parametrize(
    ("came", "due", "holidays"),
    [
        (date(2026, 11, 23), date(2026, 11, 25), ()),  # Monday
        (date(2026, 11, 26), date(2026, 11, 30), ()),  # Thursday: over the weekend
        (date(2026, 11, 28), date(2026, 12, 1), ()),  # Saturday: Monday and Tuesday
        (date(2026, 4, 29), date(2026, 5, 5), ()),  # 30 April, 1 May, a weekend
        (date(2026, 12, 31), date(2027, 1, 5), ()),
        (date(2026, 8, 31), date(2026, 9, 3), ()),  # 2 September
        (date(2024, 2, 7), date(2024, 2, 9), ()),
        (date(2024, 2, 7), date(2024, 2, 16), TET),
    ],
)
def test_an_answer_is_due_after_two_working_days(came: date, due: date, holidays: tuple[date, ...]) -> None:
    assert working_days_after(came, 2, holidays) == due

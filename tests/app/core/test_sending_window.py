"""Sending hours: opening, changes and finish times agree with one another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.core import clock
from app.core.clock import VIETNAM
from app.core.sending_window import Window, finish, next_change, open_at

MONDAY = datetime(2024, 2, 5, tzinfo=VIETNAM)
DAY = timedelta(days=1)
ALWAYS = Window(None, None, "00:00", "24:00")
DAILY = Window(None, None, "07:00", "21:00")


def at(text: str) -> datetime:
    """A time of the days around MONDAY: "1 07:00" is Tuesday at seven."""
    day, _, time = text.partition(" ")
    hour, _, minute = time.partition(":")
    return MONDAY + timedelta(days=int(day), hours=int(hour), minutes=int(minute))


WEEK = Window(at("0 12:00"), at("2 12:00"), "07:00", "21:00")


@pytest.mark.parametrize(
    ("window", "now", "is_open"),
    [
        (DAILY, "0 06:59", False),
        (DAILY, "0 07:00", True),
        (DAILY, "0 20:59", True),
        (DAILY, "0 21:00", False),
        (WEEK, "0 11:59", False),
        (WEEK, "0 12:00", True),
        (WEEK, "2 11:59", True),
        (WEEK, "2 12:00", False),
        (ALWAYS, "0 03:00", True),
    ],
)
def test_a_window_is_open_in_its_hours_only(window: Window, now: str, is_open: bool) -> None:
    assert open_at(window, at(now)) is is_open
    assert open_at(window, at(now).astimezone(UTC)) is is_open


@pytest.mark.parametrize(
    ("window", "now", "change"),
    [
        (DAILY, "0 03:00", "0 07:00"),
        (DAILY, "0 08:00", "0 21:00"),
        (DAILY, "0 22:00", "1 07:00"),
        (WEEK, "-3 22:00", "0 12:00"),
        (WEEK, "2 08:00", "2 12:00"),
        (WEEK, "2 12:00", None),
        (Window(at("0 22:00"), None, "07:00", "21:00"), "0 08:00", "1 07:00"),
        (Window(None, at("1 07:00"), "07:00", "21:00"), "0 22:00", None),
        (ALWAYS, "0 08:00", None),
        (Window(None, at("1 07:00"), "00:00", "24:00"), "0 22:00", "1 07:00"),
    ],
)
def test_the_next_change_is_the_next_opening_or_closing(window: Window, now: str, change: str | None) -> None:
    assert next_change(window, at(now)) == (change and at(change))


@pytest.mark.parametrize(
    ("window", "start", "open_hours", "end"),
    [
        (DAILY, "0 08:00", 2, "0 10:00"),
        (DAILY, "0 20:00", 2, "1 08:00"),
        (DAILY, "0 20:00", 1, "0 21:00"),
        (DAILY, "0 22:00", 1, "1 08:00"),
        (DAILY, "0 03:00", 28, "1 21:00"),
        (DAILY, "0 03:00", 29, "2 08:00"),
        (DAILY, "0 03:00", 0, "0 03:00"),
        (ALWAYS, "0 03:00", 50, "2 05:00"),
        (WEEK, "-5 08:00", 9, "0 21:00"),
        (WEEK, "-5 08:00", 9 + 14 + 5, "2 12:00"),
        (WEEK, "-5 08:00", 9 + 14 + 6, None),
    ],
)
def test_work_is_done_after_so_many_open_hours(
    window: Window, start: str, open_hours: int, end: str | None
) -> None:
    assert finish(window, at(start), open_hours * 3600) == (end and at(end))


def test_hours_begin_and_end_on_the_minute_whatever_the_second_now() -> None:
    odd = timedelta(seconds=30, microseconds=7)
    assert next_change(DAILY, at("0 08:00") + odd) == at("0 21:00")
    assert next_change(DAILY, at("0 22:00") + odd) == at("1 07:00")
    assert finish(DAILY, at("0 03:00") + odd, 3600) == at("0 08:00")


def test_less_than_a_second_of_work_waits_for_the_opening_as_well() -> None:
    assert finish(DAILY, at("0 03:00"), 0.5) == at("0 07:00") + timedelta(seconds=0.5)
    assert finish(DAILY, at("0 03:00"), 0.0) == at("0 03:00")


def test_a_finish_beyond_the_calendar_is_none() -> None:
    assert finish(DAILY, MONDAY, 1e13) is None
    assert finish(DAILY, MONDAY, float("1e300")) is None


@pytest.mark.parametrize(
    ("time", "valid"),
    [("00:00", True), ("24:00", True), ("23:59", True), ("24:01", False), ("7:00", False), ("07:60", False)],
)
def test_a_time_of_the_day_is_two_digits_and_two_digits(time: str, valid: bool) -> None:
    assert clock.is_time(time) is valid


def test_the_table_s_milliseconds_make_a_window() -> None:
    window = Window.of(1_707_109_200_000, None, "07:00", "21:00")
    assert window == Window(datetime(2024, 2, 5, 5, tzinfo=UTC), None, "07:00", "21:00")


quarters = st.integers(0, 96)
instants = st.integers(-3 * 96, 6 * 96).map(lambda n: MONDAY + timedelta(minutes=15 * n))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    starts, ends = sorted((draw(quarters), draw(quarters)))
    assume(starts < ends)
    start, end = draw(st.none() | instants), draw(st.none() | instants)
    assume(start is None or end is None or start < end)
    return Window(start, end, _time(starts), _time(ends))


def _time(quarter: int) -> str:
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"


@pytest.mark.longer
@given(windows(), instants)
def test_nothing_changes_before_the_next_change(window: Window, now: datetime) -> None:
    change = next_change(window, now)
    state = open_at(window, now)
    if change is not None:
        assert change > now
        assert open_at(window, change) is not state
    moment = now
    while moment < min(change or MONDAY + 10 * DAY, now + 9 * DAY):
        assert open_at(window, moment) is state
        moment += timedelta(minutes=15)


@pytest.mark.longer
@given(windows(), instants, st.integers(1, 400))
def test_between_start_and_finish_lie_exactly_the_open_seconds(
    window: Window, start: datetime, minutes: int
) -> None:
    end = finish(window, start, minutes * 60)
    if end is None:
        assert window.end is not None
        assert _open_seconds(window, start, window.end) < minutes * 60
    else:
        assert _open_seconds(window, start, end) == minutes * 60
        assert open_at(window, end - timedelta(seconds=1))


def _open_seconds(window: Window, start: datetime, end: datetime) -> float:
    """Counted by walking from change to change."""
    moment, total = start, 0.0
    while moment < end:
        change = min(next_change(window, moment) or end, end)
        if open_at(window, moment):
            total += (change - moment).total_seconds()
        moment = change
    return total

"""The hours in which VNPT refuses traffic, and when it takes it again; times are those of Vietnam."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from carriers.contract import Deferred
from carriers.options import VIETNAM
from carriers.vnpt.hours import BLOCKED, Blocked, read_blocked
from tests.carriers.vnpt.links import URL, open_link, sms

DOCUMENTED = read_blocked(BLOCKED)


def at(clock: str, day: int = 29) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return datetime(2024, 1, day, hour, minute, tzinfo=VIETNAM)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        (at("00:00"), at("08:00")),
        (at("07:59"), at("08:00")),
        (at("08:00"), at("08:00")),
        (at("11:29"), at("11:29")),
        (at("11:30"), at("13:00")),
        (at("12:59"), at("13:00")),
        (at("18:30"), at("20:00")),
        (at("20:59"), at("20:59")),
        (at("21:00"), at("08:00", 30)),
        (at("23:59"), at("08:00", 30)),
        (datetime(2024, 1, 29, 14, 30, tzinfo=UTC), at("08:00", 30)),
        (datetime(2024, 1, 28, 23, 30, tzinfo=UTC), at("08:00")),
    ],
)
def test_blocked_hours_end_where_the_carrier_says(now: datetime, opens: datetime) -> None:
    assert DOCUMENTED.open_from(now) == opens


def test_the_next_day_opens_after_its_night() -> None:
    assert DOCUMENTED.open_tomorrow(at("09:30")) == at("08:00", 30)
    assert Blocked().open_tomorrow(at("09:30")) == at("00:00", 30)
    assert read_blocked("").spans == ()


@pytest.mark.longer
@given(
    spans=st.lists(st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda s: s[0] < s[1])),
    minute=st.integers(0, 1439),
)
def test_the_time_that_is_named_is_open_and_the_first(spans: list[tuple[int, int]], minute: int) -> None:
    minutes = {m for first, last in spans for m in range(first, last)}
    if len(minutes) >= 1440:
        return
    blocked, now = Blocked(tuple(spans)), at("00:00") + timedelta(minutes=minute)
    opens = blocked.open_from(now)
    first = next(step for step in range(2881) if (minute + step) % 1440 not in minutes)
    assert opens == now + timedelta(minutes=first)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("8-9", "must be spans of hours"),
        ("900-800", "must be spans of hours"),
        ("800", "must be spans of hours"),
        ("0860-0900", "must hold times of the day"),
        ("2500-", "must hold times of the day"),
        ("-2401", "must hold times of the day"),
        ("-", "must leave some minute"),
        ("-1200 1130-", "must leave some minute"),
    ],
)
def test_hours_that_can_not_be_are_refused_in_words(value: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_blocked(value)


@pytest.mark.parametrize(
    ("code", "now", "wait_s"),
    [
        ("8", at("12:15"), 45 * 60),
        ("8", at("22:00"), 10 * 3600),
        ("8", at("09:30"), 600),  # open by our table, which then is not the carrier's
        ("12", at("12:15"), 600),
        ("26", at("12:15"), 19.75 * 3600),
        ("26", at("23:00"), 9 * 3600),
    ],
)
async def test_a_refusal_for_now_names_the_next_time(
    code: str, now: datetime, wait_s: float, respx_mock: respx.MockRouter
) -> None:
    respx_mock.post(URL).mock(return_value=httpx.Response(200, json={"RPLY": {"ERROR": code}}))
    async with open_link(now=now, refused_pause_s=600) as carrier:
        assert await carrier.submit([sms()]) == [Deferred(code, wait_s)]


async def test_what_holds_for_all_traffic_holds_the_link_back(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=httpx.Response(200, json={"RPLY": {"ERROR": "8"}}))
    async with open_link() as carrier:
        await carrier.submit([sms(1)])
        (result,) = await carrier.submit([sms(2)])
    assert isinstance(result, Deferred)
    assert result.code == "link held back"
    assert route.call_count == 1


async def test_a_number_that_had_its_share_today_holds_back_nobody_else(
    respx_mock: respx.MockRouter,
) -> None:
    route = respx_mock.post(URL).mock(return_value=httpx.Response(200, json={"RPLY": {"ERROR": "26"}}))
    async with open_link() as carrier:
        await carrier.submit([sms(1)])
        await carrier.submit([sms(2)])
    assert route.call_count == 2

"""The pace: halved when throttled, climbing back, and slices that never outrun the rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import clock
from app.dispatch.send_loop import Slot, ThrottleShare, pause_s
from app.ledger.contract import DeliveryToSend
from carriers.contract import Deferred


def items(count: int, segments: int = 1) -> list[DeliveryToSend]:
    return [DeliveryToSend(seq, 84_912_000_000 + seq, None, segments, 0) for seq in range(count)]


def second(pace: ThrottleShare, answers: int, throttled: int) -> float:
    """One second's answers; the share after it."""
    pace._since -= 1.0
    pace.heard(answers, throttled)
    return pace.share


def test_the_pace_comes_down_by_the_part_refused_and_by_half_at_the_most() -> None:
    assert second(ThrottleShare(100.0), 100, 25) == pytest.approx(0.80, abs=0.01)
    assert second(ThrottleShare(100.0), 100, 90) == pytest.approx(0.55, abs=0.01)


def test_each_second_is_judged_by_its_own_answers() -> None:
    pace = ThrottleShare(100.0)
    assert second(pace, 4, 1) == pytest.approx(0.80, abs=0.01)
    assert second(pace, 4, 1) == pytest.approx(0.65, abs=0.01)
    assert second(pace, 4, 0) == pytest.approx(0.70, abs=0.01)


def test_the_pace_climbs_by_time_and_not_without_an_answer() -> None:
    pace = ThrottleShare(100.0, share=0.5)
    assert second(pace, 0, 0) == 0.5
    pace._since -= 2.0
    assert second(pace, 1, 0) == pytest.approx(0.5 + 4 * 0.05, abs=0.02)


def test_within_a_second_the_answers_speak_of_one_moment() -> None:
    pace = ThrottleShare(100.0)
    for _ in range(50):
        pace.heard(2, 2)
    assert pace.share == 1.0


def test_quiet_lets_the_pace_climb_back() -> None:
    pace = ThrottleShare(100.0, share=0.5)
    assert second(pace, 100, 0) == pytest.approx(0.55, abs=0.01)
    for _ in range(20):
        second(pace, 100, 0)
    assert pace.share == 1.0


def test_a_few_refusals_at_random_do_not_pull_the_pace_down() -> None:
    """T38: one in a hundred throttled costs one in a hundred."""
    pace = ThrottleShare(100.0)
    for _ in range(300):
        second(pace, 100, 2)
    assert pace.share == 1.0


def test_a_carrier_that_takes_less_is_sent_about_that() -> None:
    pace, takes = ThrottleShare(100.0), 60
    for _ in range(60):
        sent = round(100 * pace.share)
        second(pace, sent, max(0, sent - takes))
    assert 0.55 <= pace.share <= 0.68


def test_a_carrier_that_refuses_all_is_asked_at_a_tenth_of_the_rate() -> None:
    pace = ThrottleShare(100.0)
    for _ in range(60):
        second(pace, 100, 100)
    assert pace.share == pytest.approx(0.1, abs=0.02)


@pytest.mark.longer
@given(st.floats(1, 20_000), st.integers(1, 4), st.integers(1, 200), st.integers(1, 100))
def test_slices_hold_everything_in_order_at_the_rate(
    rate: float, segments: int, count: int, per_submit: int
) -> None:
    all_items = items(count, segments)
    pace = ThrottleShare(rate)
    slices = list(pace.slices(all_items, per_submit, pace.rate))
    assert pace.rate == pytest.approx(rate * 0.995)
    assert [item for _, some in slices for item in some] == all_items
    sent = 0
    for after, some in slices:
        assert after == pytest.approx(sent / pace.rate)
        sent += len(some) * segments


@pytest.mark.parametrize(
    ("segments", "per_submit", "sizes"),
    [(1, 1, [10, 10, 4]), (1, 20, [20, 4]), (3, 1, [3] * 8), (10, 1, [1] * 24), (40, 1, [1] * 24)],
)
def test_a_slice_is_five_thousandths_of_a_second_or_one_call(
    segments: int, per_submit: int, sizes: list[int]
) -> None:
    slices = ThrottleShare.slices(items(24, segments), per_submit, 2000.0)
    assert [len(some) for _, some in slices] == sizes


def test_a_run_s_share_slows_what_is_declared_reserved_and_sent() -> None:
    pace = ThrottleShare(100.0, share=0.8, most=0.2)
    pace.went(100, is_whole=True)
    assert pace.sub_batch(100) == 10
    assert pace.rate == pytest.approx(20.0, rel=0.01)
    pace.most = 1.0
    assert pace.rate == pytest.approx(80.0, rel=0.01)


def test_a_slow_link_declares_half_a_second_at_a_time() -> None:
    for rate, fits in ((20.0, 10), (0.5, 1), (10_000.0, 100)):
        pace = ThrottleShare(rate)
        assert pace.sub_batch(100) == 1, "a window begins with one message"
        pace.went(100, is_whole=True)
        assert pace.sub_batch(100) == fits


def test_a_half_that_is_late_is_followed_by_smaller_ones_until_one_goes_in_its_time() -> None:
    pace = ThrottleShare(1000.0)
    pace.went(100, is_whole=True)
    assert pace.sub_batch(100) == 100
    pace.went(12, is_whole=False)
    assert pace.sub_batch(100) == 12
    pace.went(5, is_whole=True)
    assert pace.sub_batch(100) == 12, "a small one in its time says nothing of larger ones"
    pace.went(0, is_whole=False)
    assert pace.sub_batch(100) == 1
    for went, fits in ((1, 2), (2, 4), (1, 4), (4, 8)):
        pace.went(went, is_whole=True)
        assert pace.sub_batch(100) == fits


@pytest.mark.parametrize(
    ("result", "pass_no", "pause"),
    [
        (Deferred("link down", 1.0), 500, 1.0),
        (Deferred("0x58", 1.0, throttled=True), 1, 1.0),
        (Deferred("0x58", 1.0, throttled=True), 3, 4.0),
        (Deferred("0x58", 1.0, throttled=True), 30_000, 15.0),
        (Deferred("0x08", 5.0, counts=True), 1, 5.0),
        (Deferred("0x08", 5.0, counts=True), 30_000, 300.0),
    ],
)
def test_what_is_deferred_waits_longer_each_pass_within_bounds(
    result: Deferred, pass_no: int, pause: float
) -> None:
    assert pause_s(result, pass_no) == pause


@pytest.mark.parametrize(
    ("result", "pass_no", "pause"),
    [
        (Deferred("0x14", 0.1, throttled=True), 1, 0.1),
        (Deferred("0x14", 0.1, throttled=True), 3, 0.4),
        (Deferred("0x14", 0.1, throttled=True), 30_000, 15.0),
        (Deferred("http 429", 7.0, throttled=True), 1, 7.0),
        (Deferred("0x08", 5.0, counts=True), 1, 5.0),
    ],
)
def test_what_is_refused_by_chance_has_its_turn_soon(result: Deferred, pass_no: int, pause: float) -> None:
    assert pause_s(result, pass_no, rare=True) == pause


@pytest.mark.parametrize(
    ("share", "answers", "throttled", "chance"),
    [
        (1.0, 100, 1, True),
        (1.0, 10, 1, True),
        (1.0, 5, 1, True),
        (1.0, 5, 2, False),
        (1.0, 100, 10, True),
        (1.0, 100, 11, False),
        (1.0, 100, 50, False),
        (0.9, 100, 1, True),
        (0.89, 100, 1, False),
        (0.6, 100, 1, False),
    ],
)
def test_a_few_refusals_are_chance_while_the_pace_holds(
    share: float, answers: int, throttled: int, chance: bool
) -> None:
    assert ThrottleShare(100.0, share=share).refuses_by_chance(answers, throttled) is chance


def test_what_is_late_moves_on_within_its_slot_and_not_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    punctual, late, over = (Slot.of(now - ago, 100, 200.0) for ago in (0.1, 0.3, 0.8))
    assert not punctual.overrun(0.1)
    assert punctual.start == now - 0.1
    assert not late.overrun(0.1)
    assert late.start + 0.1 == pytest.approx(now)
    assert over.overrun(0.1)


@pytest.mark.parametrize(("after", "over"), [(0.1, False), (0.495, False), (0.505, False), (0.52, True)])
def test_a_slot_is_over_a_hundredth_of_a_second_behind_its_end(after: float, over: bool) -> None:
    slot = Slot.of(clock.monotonic() + 60.0, 100, 200.0)
    assert slot.overrun(after) is over


@pytest.mark.parametrize(("end", "is_long"), [(0.049, False), (0.05, False), (0.051, True)])
def test_a_slot_is_long_above_a_twentieth_of_a_second(end: float, is_long: bool) -> None:
    assert Slot(0.0, end).is_long is is_long


def test_a_fast_link_makes_up_for_what_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    slot = Slot.of(now - 0.01, 100, 10_000.0)
    assert not slot.overrun(0.0)
    assert slot.start == now - 0.01


async def test_turns_come_no_quicker_than_the_rate() -> None:
    pace, started = ThrottleShare(1000.0), clock.monotonic()
    for _ in range(50):
        await pace.turn(started)
        pace.spend(started, 1, pace.rate)
    assert clock.monotonic() - started >= 49 / 1000 - 0.004


def test_what_is_handed_over_takes_its_time_of_the_contract_s_rate() -> None:
    pace = ThrottleShare(1000.0)
    taken = 10 / (1000.0 * 0.9975)
    ahead = clock.monotonic() + 60.0
    pace.spend(ahead, 10, pace.rate)
    assert pace._free == pytest.approx(ahead + taken, abs=1e-6)
    pace.spend(ahead, 10, pace.rate)
    assert pace._free == pytest.approx(ahead + 2 * taken, abs=1e-6)


def test_of_what_is_late_three_thousandths_of_a_second_are_made_up_for() -> None:
    pace, before = ThrottleShare(1000.0), clock.monotonic()
    pace.spend(before - 60.0, 10, pace.rate)
    since = pace._free - 10 / (1000.0 * 0.9975)
    assert before - 0.003 - 1e-6 <= since <= clock.monotonic() - 0.003 + 1e-6

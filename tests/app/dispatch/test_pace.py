"""The pace: halved when throttled, climbing back, and slices that never outrun the rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dispatch.pace import Pace, pause_s
from app.ledger.contract import Item
from carriers.contract import Deferred


def items(count: int, segments: int = 1) -> list[Item]:
    return [Item(seq, 84_912_000_000 + seq, None, None, segments, 0) for seq in range(count)]


def test_throttling_halves_the_share_once_a_second_and_quiet_lets_it_climb() -> None:
    pace = Pace(100.0)
    pace.heard(throttled=True)
    pace.heard(throttled=True)
    assert (pace.share, pace.stretch) == (0.5, 2.0)
    pace._changed -= 4.0
    pace.heard(throttled=False)
    assert pace.share == pytest.approx(0.7, abs=0.05)
    pace._changed -= 100.0
    pace.heard(throttled=False)
    assert pace.share == 1.0


def test_the_share_has_a_floor() -> None:
    pace = Pace(100.0)
    for _ in range(20):
        pace._halved = 0.0
        pace.heard(throttled=True)
    assert pace.share == 1 / 64


@given(st.floats(1, 20_000), st.integers(1, 4), st.integers(1, 200), st.integers(1, 100))
def test_slices_hold_everything_in_order_at_the_rate(
    rate: float, segments: int, count: int, per_submit: int
) -> None:
    all_items = items(count, segments)
    slices = list(Pace(rate).slices(all_items, per_submit))
    assert [item for _, some in slices for item in some] == all_items
    sent = 0
    for after, some in slices:
        assert after == pytest.approx(sent / rate)
        sent += len(some) * segments


def test_a_slow_link_declares_half_a_second_at_a_time() -> None:
    assert Pace(20.0).sub_batch(100) == 10
    assert Pace(0.5).sub_batch(100) == 1
    assert Pace(10_000.0).sub_batch(100) == 100


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

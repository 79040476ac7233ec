"""A share that has risen is told within 500 messages, and one that is as usual never is."""

from __future__ import annotations

import random
from bisect import bisect
from functools import cache
from itertools import accumulate, pairwise
from math import comb, exp

import pytest

from app.core.cusum import ENOUGH, ENOUGH_AT_FIRST, LEAST, Rise, first_rise

FIRST = 500


@cache
def sums(n: int, share: float) -> list[float]:
    """Of the binomial distribution."""
    return list(accumulate(comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)))


def sent(place: random.Random, total: int, slice_: int, share: float) -> list[tuple[int, int]]:
    """So many messages in slices, of which each fails by itself with this probability."""
    known = sums(slice_, share)
    return [(slice_, min(bisect(known, place.random()), slice_)) for _ in range(total // slice_)]


@pytest.mark.longer
@pytest.mark.parametrize("before", [0, 50, 600, 20_000])
def test_a_share_of_a_fifth_is_told_within_500_messages_of_its_rise(before: int) -> None:
    place, waits = random.Random(before), []
    for _ in range(200):
        usual = sent(place, before, 50, 0.05)
        high = sent(place, 500, 20, 0.20)
        taken = next(n for n in range(1, len(high) + 1) if first_rise([*usual, *high[:n]], 0.2, FIRST))
        waits.append(20 * taken)
    assert max(waits) <= 500
    assert sorted(waits)[100] <= 260


@pytest.mark.longer
def test_a_hundred_honest_runs_with_one_in_twenty_failing_are_never_told() -> None:
    place = random.Random(5)
    for run in range(100):
        slices = sent(place, 200_000, (20, 100, 500)[run % 3], 0.05)
        assert first_rise(slices, 0.2, FIRST) is None, run


def test_the_bound_on_false_alarms_is_what_the_words_say() -> None:
    assert 100 * 1_000_000 * exp(-ENOUGH) < 0.0015
    assert 100 * FIRST * exp(-ENOUGH_AT_FIRST) < 0.0008


def test_less_evidence_is_enough_for_the_first_messages() -> None:
    rising = [(10, 2)] * 16
    assert first_rise(rising, 0.2, FIRST) == Rise(26, 130)
    assert first_rise(rising, 0.2, 0) is None
    assert first_rise([(600, 30), *rising], 0.2, FIRST) is None


def test_a_few_bad_ones_at_the_head_of_a_list_are_no_share() -> None:
    assert first_rise([(20, 20), *[(10, 0)] * 30], 0.2, FIRST) is None
    assert first_rise([(LEAST - 1, LEAST - 1)], 0.2, FIRST) is None
    assert first_rise([(LEAST, LEAST)], 0.2, FIRST) == Rise(LEAST, LEAST)


def test_bad_ones_that_a_slice_has_no_room_for_count_for_the_next() -> None:
    assert first_rise([(0, 60), (100, 0), (100, 0)], 0.2) == first_rise([(100, 60), (100, 0)], 0.2)


def test_the_order_in_which_failures_are_told_does_not_matter() -> None:
    """They are counted under the slice in which the message was sent, whenever they come."""
    place = random.Random(1)
    high = sent(place, 400, 20, 0.25)
    events = [slice_ for slice_, (_, n) in enumerate(high) for _ in range(n)]
    place.shuffle(events)
    told = [0] * len(high)
    found = []
    for slice_ in events:
        told[slice_] += 1
        found.append(first_rise([(20, n) for n in told], 0.2, FIRST))
    assert first_rise(high, 0.2, FIRST)
    # Once it is told it is not taken back by a failure that comes after it.
    assert all(later for earlier, later in pairwise(found) if earlier)


def test_what_was_as_usual_before_does_not_hide_a_rise_for_long() -> None:
    for quiet in accumulate([1000] * 20):
        assert first_rise([*[(100, 0)] * (quiet // 100), *[(20, 5)] * 20], 0.2)

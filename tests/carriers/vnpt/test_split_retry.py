"""A list that is refused for one number's sake: whoever is good is sent, once, whoever the culprits are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.contract import Accepted, Deferred, Halted, Reason, Rejected, SubmitResult, Unknown
from carriers.vnpt.carrier import NOT_SENT, Verdict, send_lists

INVALID = Rejected("23", Reason.NO_SUCH_NUMBER)
PORTED = Rejected("25", Reason.OTHER_NETWORK, "viettel")
TOMORROW = Deferred("26", 3600)
CULPRITS = st.sampled_from([INVALID, PORTED, TOMORROW])
STOPS = st.sampled_from([Halted("22", "used up"), Deferred("16", 1, throttled=True), Unknown("lost", ("x",))])


class Model:
    """A carrier that refuses a list for its first culprit, and after `stop_after` requests for all."""

    def __init__(
        self, culprits: dict[int, SubmitResult], stop: SubmitResult | None = None, after: int = 0
    ) -> None:
        self.culprits, self.stop, self.after = culprits, stop, after
        self.taken: Counter[int] = Counter()
        self.asked: list[Sequence[int]] = []

    async def send(self, some: Sequence[int]) -> Verdict:
        self.asked.append(some)
        if self.stop is not None and len(self.asked) > self.after:
            return Verdict(self.stop)
        culprit = next((self.culprits[index] for index in some if index in self.culprits), None)
        if culprit is not None:
            return Verdict(culprit, of_one_number=True)
        self.taken.update(some)
        return Verdict(Accepted(("x",)))


@pytest.mark.longer
@given(
    sizes=st.lists(st.integers(1, 60), max_size=3),
    culprits=st.dictionaries(st.integers(0, 179), CULPRITS),
)
async def test_every_good_number_is_sent_once_and_every_culprit_named(
    sizes: list[int], culprits: dict[int, SubmitResult]
) -> None:
    total, lists = sum(sizes), []
    for size in sizes:
        start = sum(map(len, lists))
        lists.append(range(start, start + size))
    model = Model(culprits)
    results = await send_lists(lists, model.send)
    assert sorted(results) == list(range(total))
    for index in range(total):
        assert model.taken[index] == (index not in culprits)
        assert results[index] == culprits.get(index, Accepted(("x",)))
    assert len(model.asked) <= sum(2 * size - 1 for size in sizes)


@pytest.mark.longer
@given(
    size=st.integers(1, 100),
    culprits=st.dictionaries(st.integers(0, 99), CULPRITS, max_size=20),
    stop=STOPS,
    after=st.integers(0, 30),
)
async def test_when_the_carrier_stops_nothing_more_is_sent_and_nothing_claimed(
    size: int, culprits: dict[int, SubmitResult], stop: SubmitResult, after: int
) -> None:
    model = Model(culprits, stop, after)
    results = await send_lists([range(size)], model.send)
    assert sorted(results) == list(range(size))
    assert len(model.asked) <= after + 1
    for index, result in results.items():
        if isinstance(result, Accepted):
            assert model.taken[index] == 1
        else:
            assert not model.taken[index]
        if isinstance(result, Unknown):
            assert index in model.asked[-1]
    rest = [result for index, result in results.items() if index not in model.asked[-1]]
    if len(model.asked) > after:
        allowed = stop if not isinstance(stop, Unknown) else NOT_SENT
        assert all(isinstance(r, Accepted) or r in (allowed, *culprits.values()) for r in rest)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100, 1000])
async def test_one_culprit_costs_about_two_requests_for_each_halving(size: int) -> None:
    for culprit in {0, size // 2, size - 1}:
        model = Model({culprit: INVALID})
        await send_lists([range(size)], model.send)
        assert len(model.asked) <= 1 + 2 * math.ceil(math.log2(size))


async def test_nobody_is_asked_about_no_lists() -> None:
    model = Model({})
    assert await send_lists([], model.send) == {}
    assert model.asked == []

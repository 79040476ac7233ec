"""What a link makes of refusals in a row: a halt, a pause, or nothing."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.contract import (
    Accepted,
    Deferred,
    Halted,
    HealthRecord,
    OutboundSms,
    Reason,
    Rejected,
    SubmitResult,
    Unknown,
)
from carriers.refusal_streak import RefusalStreak

MOST = 20
TAKEN, LOST = Accepted(("1",)), Unknown("no answer")
TROUBLE, TOO_FAST = Deferred("0x08", 5.0, counts=True), Deferred("0x58", 0.1, throttled=True)
SENDER, DEAD = Rejected("0x0A", Reason.FILTERED), Rejected("0x0B", Reason.NO_SUCH_NUMBER)
DUPLICATE = Rejected("DUPLICATE", Reason.FILTERED)
OURS = [Reason.OTHER, Reason.FILTERED, Reason.WRONG_REQUEST]


def counting(**more: object) -> RefusalStreak:
    return RefusalStreak(MOST, HealthRecord(), **more)  # type: ignore[arg-type]


def count(row: RefusalStreak, *results: SubmitResult, text: str = "a") -> list[SubmitResult]:
    return row.count([OutboundSms("84912000001", text, "LOA")] * len(results), results)


def kinds(results: list[SubmitResult]) -> Counter[type[SubmitResult]]:
    return Counter(type(each) for each in results)


@pytest.mark.parametrize("reason", OURS)
def test_refusals_for_a_reason_of_ours_halt_after_so_many(reason: Reason) -> None:
    results = count(counting(), *[Rejected("0x0A", reason)] * 50)
    assert kinds(results) == {Rejected: MOST, Halted: 30}
    halted = results[-1]
    assert isinstance(halted, Halted)
    assert halted.code == "0x0A"
    assert halted.reason.endswith("Last code: 0x0A")


@pytest.mark.parametrize("reason", [each for each in Reason if each not in OURS])
def test_refusals_for_a_numbers_sake_halt_after_ten_times_as_many(reason: Reason) -> None:
    row = counting()
    assert kinds(count(row, *[Rejected("0x0B", reason)] * 300)) == {Rejected: 200, Halted: 100}
    row.reopened()  # a person says that the list is what it is
    assert kinds(count(row, *[Rejected("0x0B", reason)] * 1000)) == {Rejected: 1000}


def test_one_that_is_taken_says_that_the_text_is_in_order() -> None:
    row = counting()
    for _ in range(50):
        assert kinds(count(row, *[SENDER] * MOST, TAKEN))[Halted] == 0


def test_a_text_that_is_taken_says_nothing_for_another_one() -> None:
    """Two campaigns share a link, and the sender ID of one is not registered."""
    row, refused = counting(), list[SubmitResult]()
    for _ in range(60):
        count(row, TAKEN, text="good")
        refused += count(row, SENDER, text="bad")
    assert kinds(refused) == {Rejected: MOST, Halted: 40}


@pytest.mark.parametrize("other", [DEAD, DUPLICATE, TROUBLE, LOST, TOO_FAST])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_nothing_but_one_that_is_taken_hides_refusals_for_a_reason_of_ours(
    other: SubmitResult, share: float
) -> None:
    row = counting(of_one_number=frozenset({"DUPLICATE"}))
    for tolerated in (MOST, 3, 3):  # nobody has mended anything before the resumes
        results = list[SubmitResult]()
        while not kinds(results)[Halted] and len(results) < 1000:
            results += count(row, other if len(results) % 10 < share * 10 else SENDER)
        assert (results.count(SENDER), kinds(results)[Halted]) == (tolerated, 1)
        row.reopened()


@pytest.mark.longer
@pytest.mark.parametrize("texts", [1, 100, 101, 1000])
def test_many_texts_in_turn_that_are_refused_halt_as_well(texts: int) -> None:
    row, results = counting(), list[SubmitResult]()
    for n in range(5000):
        results += count(row, SENDER, text=f"{n % texts}")
    assert kinds(results)[Halted] > 0
    assert kinds(results[:2001])[Halted] > 0


def test_what_a_person_said_of_one_list_holds_for_no_text_that_takes_over_its_count() -> None:
    row = RefusalStreak(1, HealthRecord())
    count(row, *[DEAD] * 11, text="first")
    row.reopened()  # a person has looked at the list of the first text
    for n in range(99):
        count(row, *[DEAD] * 12, text=f"{n}")  # a hundred texts now, and the first has the lowest count
    assert kinds(count(row, *[DEAD] * 12, text="another"))[Halted] > 0


@pytest.mark.longer
def test_a_thousand_texts_that_ended_with_a_dead_number_cost_others_one_refusal_at_most() -> None:
    row = counting()
    for n in range(1000):
        count(row, TAKEN, DEAD, text=f"{n}")
    assert kinds(count(row, *[SENDER] * 50))[Rejected] >= MOST - 1


@pytest.mark.longer
@pytest.mark.parametrize("reason", [Reason.NO_SUCH_NUMBER, Reason.OTHER, Reason.WRONG_REQUEST])
def test_a_list_of_which_some_are_taken_never_halts(reason: Reason) -> None:
    """Dead and ported numbers, one in twenty that the carrier calls wrong, and some trouble, in any order."""
    wrong, ported = Rejected("0x01", reason), Rejected("0x0C", Reason.OTHER_NETWORK)
    answers = [TAKEN] * 1600 + [DEAD] * 200 + [wrong] * 100 + [ported] * 60 + [TROUBLE] * 40
    for seed in range(100):
        found = random.Random(seed).sample(answers, len(answers))
        row = counting()
        assert count(row, *found) == found, seed
        assert not row.why_paused


def test_a_stretch_of_dead_numbers_halts_nothing() -> None:
    found = [TAKEN, *[DEAD] * 200, TAKEN, *[DEAD, Rejected("0x01", Reason.OTHER)] * MOST, TAKEN] * 5
    assert count(counting(), *found) == found


def test_a_duplicate_is_of_its_number_whatever_its_reason() -> None:
    row = counting(of_one_number=frozenset({"DUPLICATE"}))
    assert kinds(count(row, *[DUPLICATE] * 1000)) == {Rejected: 1000}


def test_after_a_resume_few_more_are_refused_before_it_halts_again() -> None:
    row = counting()
    count(row, *[SENDER] * 30)
    row.reopened()
    assert kinds(count(row, *[SENDER] * 30)) == {Rejected: 3, Halted: 27}
    row.reopened()
    count(row, TAKEN)
    assert kinds(count(row, *[SENDER] * 30)) == {Rejected: MOST, Halted: 10}


def test_the_carriers_own_trouble_uses_up_no_patience_of_messages_once_it_is_everybodys() -> None:
    row = counting()
    results = count(row, *[TROUBLE] * 50)
    assert [each.counts for each in results if isinstance(each, Deferred)] == [True] * MOST + [False] * 30
    assert row.why_paused == "every message is deferred (0x08)"
    assert 4.0 < row.pause_left_s <= 5.0
    count(row, TAKEN)
    assert (row.why_paused, row.pause_left_s) == ("", 0.0)
    assert count(row, TROUBLE) == [TROUBLE]


@pytest.mark.parametrize("other", [DEAD, SENDER])
def test_a_refused_number_among_messages_put_off_does_not_end_the_trouble(other: SubmitResult) -> None:
    row, results = counting(), list[SubmitResult]()
    for n in range(150):
        results += count(row, other if n % 20 == 0 else TROUBLE)
    assert row.why_paused
    assert sum(each.counts for each in results if isinstance(each, Deferred)) == MOST


def test_a_text_that_alone_is_put_off_is_not_given_up_and_pauses_no_other() -> None:
    row, results = counting(), list[SubmitResult]()
    for _ in range(50):
        count(row, TAKEN, text="good")
        results += count(row, *[TROUBLE] * 10, text="bad")
        assert not row.why_paused
    assert sum(each.counts for each in results if isinstance(each, Deferred)) == MOST
    row.reopened()
    assert count(row, TROUBLE, text="bad") == [TROUBLE]


@pytest.mark.parametrize("other", [TOO_FAST, LOST, Deferred("link down")])
def test_what_says_nothing_of_the_trouble_does_not_end_it(other: SubmitResult) -> None:
    row = counting()
    count(row, *[TROUBLE] * 50, other)
    assert row.why_paused


@pytest.mark.longer
@given(st.lists(st.sampled_from([TAKEN, LOST, TROUBLE, TOO_FAST, SENDER, DEAD]), max_size=400))
def test_nothing_that_was_or_may_have_been_taken_is_called_otherwise(results: list[SubmitResult]) -> None:
    """And of what was certainly not taken, only a refusal becomes a halt, which is sent again."""
    for before, after in zip(results, count(counting(), *results), strict=True):
        if isinstance(before, Rejected):
            assert after == before or isinstance(after, Halted)
        elif before == TROUBLE:
            assert isinstance(after, Deferred)
            assert (after.code, after.retry_after_s) == ("0x08", 5.0)
        else:
            assert after is before


@pytest.mark.longer
@given(st.lists(st.sampled_from([SENDER, TROUBLE, TOO_FAST, LOST]), max_size=400))
def test_without_one_that_is_taken_no_more_than_so_many_are_refused(results: list[SubmitResult]) -> None:
    assert kinds(count(counting(), *results))[Rejected] <= MOST

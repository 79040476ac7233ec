"""Which message a receipt's reference names, where several bear it: at each bound of time."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.clock import DAY_MS
from app.core.states import DeliveryState
from app.ledger.contract import CROWD, EVER, VALIDITY_MS, MatchedDelivery, ResultKind, SubmissionQuery
from app.ledger.receipt_matching import (
    ONE_ID_MS,
    RECORDED_MS,
    SET_BACK_MS,
    ReceiptRow,
    choose,
    submission_query,
)

NOW = 1_700_000_000_000
PHONE = 84_912_000_001
SUBMITTED, DELIVERED = DeliveryState.SUBMITTED, DeliveryState.DELIVERED


def row(phone: int | None = PHONE, *, received_at: int = NOW, reference: str | None = "m1") -> ReceiptRow:
    """A receipt that states the time at which it came."""
    return ReceiptRow(received_at, received_at, phone, 1, 7, 2, 0, "delivered", reference, "", "")


def hit(at: int, seq: int = 2, state: DeliveryState = SUBMITTED, **values: Any) -> MatchedDelivery:
    counts = (1, 0, 0, 0)
    return MatchedDelivery(0, at, 0, 1, 1, seq, 1, PHONE, None, 1, at, None, state, 0, *counts)._replace(
        **values
    )


def chosen(one: ReceiptRow, *hits: MatchedDelivery, now: int = NOW) -> list[MatchedDelivery]:
    return choose(one, hits, now)


def test_a_receipt_is_looked_up_by_its_reference_in_the_time_that_its_message_may_be_of() -> None:
    earliest, later = NOW - VALIDITY_MS, NOW + RECORDED_MS + 1
    latest = NOW + SET_BACK_MS
    assert submission_query(row(reference=None), False, NOW) is None
    assert submission_query(row(None), True, NOW) == SubmissionQuery(
        7, "m1", None, earliest, NOW + RECORDED_MS
    )
    assert submission_query(row(), False, later) == SubmissionQuery(7, "m1", PHONE, earliest, latest)
    assert submission_query(row(), True, later) == SubmissionQuery(7, "m1", PHONE, NOW - 400 * DAY_MS, latest)
    assert submission_query(row(), False, later - 1) == SubmissionQuery(7, "m1", PHONE, earliest, EVER)


def test_a_reference_that_a_crowd_of_messages_bears_names_none() -> None:
    assert chosen(row(), hit(NOW, crowd=CROWD)) == []
    assert chosen(row(), hit(NOW, crowd=CROWD - 1)) == [hit(NOW, crowd=CROWD - 1)]


def test_all_parts_of_the_newest_attempt_at_the_newest_message_are_meant() -> None:
    parts = [hit(NOW - 5, part=0), hit(NOW - 4, part=1)]
    before = [hit(NOW - 900, attempt=-1), hit(NOW - 800, seq=3)]
    assert chosen(row(), *parts, *before) == parts


@pytest.mark.parametrize("at", [NOW - VALIDITY_MS, NOW + RECORDED_MS])
def test_the_only_message_in_time_is_meant_up_to_the_bounds(at: int) -> None:
    late = hit(NOW - VALIDITY_MS - 1, seq=3)
    assert chosen(row(), hit(at), late) == [hit(at)]


def test_two_messages_out_of_time_are_ambiguous_and_one_is_taken() -> None:
    at = NOW + RECORDED_MS + 1
    first, second = hit(at), hit(at, seq=3)
    assert chosen(row(), first) == [first]
    assert chosen(row(), first, second) == []
    assert chosen(row(), first, hit(at, part=1)) == [first, hit(at, part=1)]
    assert chosen(row(), hit(NOW), second) == [hit(NOW)]  # one is in time
    over = hit(at, state=DELIVERED)
    assert chosen(row(), over) == [over]


def test_a_message_weeks_old_is_moved_only_while_it_is_open() -> None:
    at = NOW - VALIDITY_MS - 1
    for state in (SUBMITTED, DeliveryState.UNKNOWN):
        assert chosen(row(), hit(at, state=state)) == [hit(at, state=state)]
    assert chosen(row(), hit(at, state=DELIVERED)) == []
    assert chosen(row(), hit(at + 1, state=DELIVERED)) == [hit(at + 1, state=DELIVERED)]


def test_a_message_after_the_receipt_counts_as_far_as_clocks_may_differ_or_were_set_back() -> None:
    latest = NOW + SET_BACK_MS
    later = NOW + RECORDED_MS + 1  # no longer new: no clock that was set back explains it
    assert chosen(row(), hit(latest), now=later) == [hit(latest)]
    assert chosen(row(), hit(latest + 1), now=later) == []
    assert chosen(row(), hit(latest + 1)) == [hit(latest + 1)]
    unnamed = row(None)
    assert chosen(unnamed, hit(NOW + RECORDED_MS + 1)) == [hit(NOW + RECORDED_MS + 1)]
    of_before = unnamed._replace(done_at=NOW - 3_600_000)
    assert chosen(of_before, hit(NOW + RECORDED_MS)) == []
    assert chosen(of_before, hit(NOW + RECORDED_MS + 1)) == [hit(NOW + RECORDED_MS + 1)]


def test_a_learnt_reference_is_recorded_later_by_up_to_a_validity() -> None:
    later = NOW + RECORDED_MS + 1
    settled = {"result": int(ResultKind.SETTLED)}
    at = NOW + SET_BACK_MS + VALIDITY_MS
    assert chosen(row(), hit(at, **settled), now=later) == [hit(at, **settled)]
    assert chosen(row(), hit(at + 1, **settled), now=later) == []
    # Both in time, so that the newer one is meant.
    at = NOW + RECORDED_MS + VALIDITY_MS
    assert chosen(row(), hit(NOW), hit(at, seq=3, **settled), now=later) == [hit(at, seq=3, **settled)]
    assert chosen(row(), hit(NOW), hit(at + 1, seq=3, **settled), now=later) == [hit(NOW)]


def test_without_a_number_two_messages_that_share_an_id_for_half_a_day_are_ambiguous() -> None:
    new = hit(NOW)
    same, over = hit(NOW - ONE_ID_MS + 1, seq=3), hit(NOW - ONE_ID_MS, seq=3)
    assert chosen(row(None), new, same) == []
    assert chosen(row(None), new, over) == [new]
    assert chosen(row(), new, same) == [new]
    assert chosen(row(None), new, hit(NOW - 1, part=1)) == [new, hit(NOW - 1, part=1)]
    assert ONE_ID_MS == DAY_MS // 2

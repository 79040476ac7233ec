"""Receipts commute: whatever their order and repetition, a delivery ends in one and the same standing."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Conflict
from app.core.states import (
    CampaignState,
    DeliveryState,
    DeliveryStatus,
    NotSent,
    RunState,
    apply_receipt,
    move_campaign,
    move_run,
)
from carriers.contract import Reason, ReceiptLevel, ReceiptStatus

said = st.tuples(
    st.integers(0, 2),
    st.sampled_from(list(ReceiptStatus)),
    st.sampled_from([ReceiptLevel.OPERATOR, ReceiptLevel.HANDSET]),
    st.sampled_from(list(Reason)),
)
Said = tuple[int, ReceiptStatus, ReceiptLevel, Reason]


def after(
    receipts: list[Said], parts: int = 3, state: DeliveryState = DeliveryState.SUBMITTED
) -> DeliveryStatus:
    standing = DeliveryStatus(state, 0, parts)
    for part, status, level, reason in receipts:
        standing = apply_receipt(standing, part, status, level, reason)
    return standing


@pytest.mark.longer
@given(st.lists(said, max_size=5))
def test_every_order_of_receipts_ends_the_same(receipts: list[Said]) -> None:
    ends = {after(list(order)) for order in itertools.permutations(receipts)}
    assert len(ends) == 1


@pytest.mark.longer
@given(st.lists(said, max_size=8), st.randoms())
def test_repeated_receipts_change_nothing(receipts: list[Said], dice: object) -> None:
    again = receipts + receipts
    dice.shuffle(again)  # type: ignore[attr-defined]
    assert after(again) == after(receipts)


@pytest.mark.longer
@given(st.lists(said, max_size=10))
def test_a_delivered_message_stays_delivered(receipts: list[Said]) -> None:
    whole: list[Said] = [(n, ReceiptStatus.DELIVERED, ReceiptLevel.HANDSET, Reason.NONE) for n in range(3)]
    end = after(whole + receipts)
    assert (end.state, end.reason) == (DeliveryState.DELIVERED, Reason.NONE)


@given(st.lists(said, max_size=10))
def test_no_receipt_makes_an_operators_word_the_handsets(receipts: list[Said]) -> None:
    at_most_operator = [(p, s, ReceiptLevel.OPERATOR, r) for p, s, _, r in receipts]
    assert after(at_most_operator).state is not DeliveryState.DELIVERED


def test_a_failure_without_a_reason_gets_one() -> None:
    assert after([(0, ReceiptStatus.EXPIRED, ReceiptLevel.HANDSET, Reason.NONE)], 1).reason == Reason.EXPIRED
    assert (
        after([(0, ReceiptStatus.UNDELIVERED, ReceiptLevel.HANDSET, Reason.NONE)], 1).reason == Reason.OTHER
    )


def test_a_written_off_delivery_keeps_that_reason_until_its_parts_are_settled() -> None:
    standing = DeliveryStatus(DeliveryState.UNKNOWN, NotSent.WRITTEN_OFF, 2)
    failed = (ReceiptStatus.UNDELIVERED, ReceiptLevel.HANDSET, Reason.BARRED)
    half = apply_receipt(standing, 0, *failed)
    assert (half.state, half.reason) == (DeliveryState.UNKNOWN, NotSent.WRITTEN_OFF)
    whole = apply_receipt(half, 1, *failed)
    assert (whole.state, whole.reason) == (DeliveryState.UNDELIVERED, Reason.OTHER)


def test_only_the_written_moves_are_moves() -> None:
    assert move_run("planned", RunState.RUNNING) is RunState.RUNNING
    with pytest.raises(Conflict, match="finished; it can't become paused"):
        move_run("finished", RunState.PAUSED)
    with pytest.raises(Conflict, match="rejected; it can't become approved"):
        move_campaign("rejected", CampaignState.APPROVED)

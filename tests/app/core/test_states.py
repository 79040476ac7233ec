"""Receipts commute: whatever their order and repetition, a delivery ends in one and the same standing."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Conflict
from app.core.states import (
    MAX_PARTS,
    CampaignState,
    DeliveryState,
    DeliveryStatus,
    NotSent,
    RunState,
    SuspendCause,
    apply_receipt,
    kept_reason,
    move_campaign,
    move_run,
    suspended_because,
)
from carriers.contract import Reason, ReceiptLevel, ReceiptStatus
from tests.exact import exactly

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


@pytest.mark.longer
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
    with pytest.raises(Conflict, match=exactly("The run is finished and cannot become paused.")):
        move_run("finished", RunState.PAUSED)
    with pytest.raises(Conflict, match=exactly("The campaign is rejected and cannot become approved.")):
        move_campaign("rejected", CampaignState.APPROVED)


def test_what_is_stored_has_the_numbers_that_are_stored() -> None:
    assert {state.name: state.value for state in DeliveryState} == {
        "QUEUED": 0,
        "SUBMITTED": 1,
        "UNKNOWN": 2,
        "REJECTED": 3,
        "UNDELIVERED": 4,
        "EXPIRED": 5,
        "RELAYED": 6,
        "DELIVERED": 7,
        "NOT_SENT": 8,
        "EXCLUDED": 9,
    }
    assert {why.name: why.value for why in NotSent} == {
        "CANCELLED": 20,
        "WINDOW_CLOSED": 21,
        "REPEATED": 22,
        "WRITTEN_OFF": 23,
        "DO_NOT_SEND": 24,
        "OTHER_ROUND": 25,
    }
    assert max(Reason) < min(NotSent), "they share a column"


def test_the_bits_of_all_parts_fit_a_small_integer_of_either_engine() -> None:
    assert (1 << MAX_PARTS) - 1 == 0x7FFF


HANDSET = (ReceiptStatus.DELIVERED, ReceiptLevel.HANDSET, Reason.NONE)
OPERATOR = (ReceiptStatus.DELIVERED, ReceiptLevel.OPERATOR, Reason.NONE)
FAILED = (ReceiptStatus.UNDELIVERED, ReceiptLevel.HANDSET, Reason.BARRED)
EXPIRED = (ReceiptStatus.EXPIRED, ReceiptLevel.HANDSET, Reason.NONE)
ON_WAY = (ReceiptStatus.IN_TRANSIT, ReceiptLevel.OPERATOR, Reason.NONE)


@pytest.mark.parametrize(
    ("receipts", "state", "reason"),
    [
        ([HANDSET, HANDSET], DeliveryState.DELIVERED, Reason.NONE),
        ([OPERATOR, OPERATOR], DeliveryState.RELAYED, Reason.NONE),
        ([HANDSET, OPERATOR], DeliveryState.RELAYED, Reason.NONE),
        ([OPERATOR, HANDSET], DeliveryState.RELAYED, Reason.NONE),
        ([HANDSET, FAILED], DeliveryState.UNDELIVERED, Reason.BARRED),
        ([OPERATOR, FAILED], DeliveryState.UNDELIVERED, Reason.BARRED),
        ([OPERATOR, EXPIRED], DeliveryState.EXPIRED, Reason.EXPIRED),
        ([FAILED, EXPIRED], DeliveryState.UNDELIVERED, Reason.BARRED),
        ([OPERATOR], DeliveryState.SUBMITTED, Reason.NONE),
        ([ON_WAY, ON_WAY], DeliveryState.SUBMITTED, Reason.NONE),
    ],
)
def test_a_message_is_what_all_of_its_parts_are(
    receipts: list[tuple[ReceiptStatus, ReceiptLevel, Reason]], state: DeliveryState, reason: Reason
) -> None:
    standing = after([(part, *receipt) for part, receipt in enumerate(receipts)], 2)
    assert (standing.state, standing.reason) == (state, reason)


def test_each_receipt_is_a_bit_of_its_part() -> None:
    standing = after([(0, *OPERATOR), (1, *HANDSET), (2, *FAILED)])
    assert (standing.delivered, standing.relayed, standing.failed, standing.on_way) == (
        0b010,
        0b001,
        0b100,
        0,
    )


@pytest.mark.parametrize("others", [HANDSET, OPERATOR, FAILED, ON_WAY])
def test_an_unknown_message_was_accepted_once_the_carrier_speaks_of_every_part(
    others: tuple[ReceiptStatus, ReceiptLevel, Reason],
) -> None:
    standing = after([(0, *others)], 2, DeliveryState.UNKNOWN)
    assert standing.state == DeliveryState.UNKNOWN
    standing = apply_receipt(standing, 1, *ON_WAY)
    assert standing.state == DeliveryState.SUBMITTED
    assert standing.reason == (Reason.BARRED if others is FAILED else Reason.NONE)


def test_an_unknown_message_stays_so_while_any_part_is_unspoken_of() -> None:
    assert after([(1, *ON_WAY)], 2, DeliveryState.UNKNOWN).state == DeliveryState.UNKNOWN


def test_a_written_off_message_that_the_carrier_has_loses_that_reason() -> None:
    standing = apply_receipt(DeliveryStatus(DeliveryState.UNKNOWN, NotSent.WRITTEN_OFF, 1), 0, *ON_WAY)
    assert (standing.state, standing.reason) == (DeliveryState.SUBMITTED, Reason.NONE)


def test_what_is_on_its_way_says_nothing_of_a_message_that_was_accepted() -> None:
    accepted = DeliveryStatus(DeliveryState.SUBMITTED, Reason.NONE, 1)
    assert apply_receipt(accepted, 0, *ON_WAY) is accepted


def test_what_was_refused_stays_so_until_all_of_it_has_arrived() -> None:
    refused = DeliveryStatus(DeliveryState.REJECTED, Reason.FILTERED, 2)
    half = apply_receipt(refused, 0, *HANDSET)
    assert (half.state, half.reason) == (DeliveryState.REJECTED, Reason.FILTERED)
    assert apply_receipt(half, 1, *FAILED).state == DeliveryState.REJECTED
    assert apply_receipt(half, 1, *OPERATOR).state == DeliveryState.RELAYED


@pytest.mark.parametrize(("reason", "kept"), [(Reason.WRONG_REQUEST, 9), (19, 19), (20, 1), (25, 1)])
def test_a_reason_of_ours_goes_and_a_carrier_s_is_kept(reason: int, kept: int) -> None:
    assert kept_reason(reason, Reason.OTHER) == kept


SUBMITTED, UNKNOWN, REJECTED, QUEUED = (
    DeliveryState.SUBMITTED,
    DeliveryState.UNKNOWN,
    DeliveryState.REJECTED,
    DeliveryState.QUEUED,
)


def status(state: DeliveryState, parts: int = 2, reason: int = 0, **bits: int) -> DeliveryStatus:
    return DeliveryStatus(state, reason, parts, **bits)


def test_a_pause_is_told_with_the_numbers_of_each_language() -> None:
    assert suspended_because(SuspendCause.FAILED, 1200, 30_000) == "1,200 of its last 30,000 messages failed"
    assert suspended_because(SuspendCause.FAILED, 1200, 30_000, "vi") == (
        "trong 30.000 tin gần nhất có 1.200 tin bị lỗi"
    )

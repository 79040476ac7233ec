"""A late answer that names the parts of a message of which receipts have taught some ids already."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import quarantine
from app.ledger.contract import ChunkLease, SubmitOutcome
from app.reports.verification.verify import verify
from carriers.contract import Accepted, Deferred, Partial, Reason, ReceiptStatus, Rejected, SubmitResult
from tests.app.ledger.test_receipt_matching import state
from tests.app.ledger.times import (
    BAD,
    DELIVERED,
    GOOD,
    ON_ITS_WAY,
    QUEUED,
    SUBMITTED,
    UNDELIVERED,
    UNKNOWN,
    apply,
    gone,
    look_again,
    notice,
    queued,
    said,
)
from tests.app.world import FIRST_PHONE, World

BOTH = Accepted(("a", "b"))


def lost(db: Database, parts: int = 2) -> tuple[World, ChunkLease]:
    """One message of so many parts, unknown, and the lease of its sender, whose answer is yet to come."""
    world = queued(db, parts)
    return world, sent_and_lost(world, parts)


def sent_and_lost(world: World, parts: int) -> ChunkLease:
    slow = gone(world, parts)
    notice(world)
    assert state(world) == UNKNOWN
    return slow


def tells(world: World, reference: str, status: ReceiptStatus = GOOD) -> None:
    apply(world, said(world, reference, status))
    look_again(world)


def answers(world: World, lease: ChunkLease, result: SubmitResult) -> None:
    outcomes = [SubmitOutcome(lease.items[0], result)]
    world.db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)


def checked(world: World) -> object:
    """The message's state, once `loa verify` has agreed with it."""
    assert verify(world.db, world.ledger) == []
    return state(world)


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
def test_a_receipt_that_comes_twice_is_not_one_of_each_part(db: Database, first: str, second: str) -> None:
    world, slow = lost(db)
    tells(world, first)
    answers(world, slow, BOTH)
    tells(world, first)
    assert checked(world) == SUBMITTED
    tells(world, second)
    assert checked(world) == DELIVERED


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
def test_of_three_parts_the_others_keep_their_order(db: Database, first: str, second: str) -> None:
    world, slow = lost(db, parts=3)
    tells(world, "c")
    tells(world, first)
    answers(world, slow, Accepted(("a", "b", "c")))
    for repeated in ("c", first):
        tells(world, repeated)
    assert checked(world) == SUBMITTED
    tells(world, second, BAD)
    assert checked(world) == UNDELIVERED


@pytest.mark.parametrize("refused", [0, 1])
@pytest.mark.parametrize("status", [GOOD, BAD])
def test_the_part_that_was_refused_is_the_one_that_the_answer_means(
    db: Database, refused: int, status: ReceiptStatus
) -> None:
    """The other one's id is learnt first, as that of part 0."""
    world, slow = lost(db)
    refs = (None, "b") if refused == 0 else ("b", None)
    tells(world, "b", status)
    answers(world, slow, Partial(refs, (refused,), "0x45", Reason.OTHER))
    tells(world, "b", status)
    assert checked(world) == UNDELIVERED


@pytest.mark.longer
@pytest.mark.parametrize("refs", [("a", "b", None), (None, "a", "b"), ("b", None, "a")])
def test_the_part_without_an_id_is_the_one_whose_id_a_receipt_has_taught(
    db: Database, refs: tuple[str | None, ...]
) -> None:
    world, slow = lost(db, parts=3)
    for reference in "bc":
        tells(world, reference)
    answers(world, slow, Accepted(refs))
    for reference in "bc":
        tells(world, reference)
    assert checked(world) == SUBMITTED
    tells(world, "a")
    assert checked(world) == DELIVERED


@pytest.mark.longer
@pytest.mark.parametrize(
    ("result", "then"),
    [
        (Accepted(("b", "b")), SUBMITTED),
        (Accepted(("b",)), DELIVERED),
        (Accepted(("b", "a", "c")), SUBMITTED),
        (Accepted(("x", "y")), SUBMITTED),
        (Accepted(()), DELIVERED),
    ],
)
def test_an_answer_that_fits_no_numbering_is_recorded_as_it_is(
    db: Database, result: SubmitResult, then: DeliveryState
) -> None:
    world, slow = lost(db)
    tells(world, "b")
    answers(world, slow, result)
    assert checked(world) == then


@pytest.mark.parametrize("status", [BAD, ON_ITS_WAY])
def test_what_was_refused_so_late_has_not_fewer_parts_than_receipts_were_learnt_by(
    db: Database, status: ReceiptStatus
) -> None:
    world, slow = lost(db, parts=3)
    tells(world, "a", status)
    answers(world, slow, Rejected("11", Reason.OTHER))
    tells(world, "a")
    assert checked(world) == DeliveryState.REJECTED


def test_an_answer_of_many_messages_numbers_each_by_its_own_receipts(db: Database) -> None:
    world = queued(db, parts=2, count=3)
    slow = gone(world, parts=2)
    notice(world)
    for item in slow.items[1:]:
        apply(world, said(world, f"b{item.seq}", phone=item.phone))
    look_again(world)
    outcomes = [SubmitOutcome(item, Accepted((f"a{item.seq}", f"b{item.seq}"))) for item in slow.items]
    db.write(world.ledger.record, world.link, slow, outcomes, None, 30.0)
    for item in slow.items[1:]:
        apply(world, said(world, f"b{item.seq}", phone=item.phone))
    look_again(world)
    assert [state(world, seq) for seq in (2, 3, 4)] == [SUBMITTED] * 3
    for item in slow.items:
        apply(world, said(world, f"a{item.seq}", phone=item.phone))
    assert [state(world, seq) for seq in (2, 3, 4)] == [SUBMITTED, DELIVERED, DELIVERED]
    world.check()


NOT_TAKEN = Deferred("0x58", 1.0, throttled=True)


@pytest.mark.longer
@pytest.mark.parametrize("status", [GOOD, BAD, ON_ITS_WAY])
@pytest.mark.parametrize("looks", [0, 1, 3])
def test_what_a_receipt_told_of_is_not_sent_again_for_a_late_not_taken(
    db: Database, status: ReceiptStatus, looks: int
) -> None:
    """One of the two is wrong, and nobody knows which. A receipt is learnt from at the second look."""
    world, slow = lost(db)
    apply(world, said(world, "b", status))
    look_again(world, looks)
    answers(world, slow, NOT_TAKEN)
    assert checked(world) == UNKNOWN
    assert world.claim("heir") is None
    assert world.states() == {int(DeliveryState.UNKNOWN): 1} == world.tallied()


def test_a_receipt_of_before_it_or_to_another_number_does_not_keep_it(db: Database) -> None:
    world, slow = lost(db)
    apply(world, said(world, "old"), said(world, "another", phone=FIRST_PHONE + 1))
    before = {"received_at": quarantine.c.received_at - 60_000}
    db.write(lambda c: c.execute(update(quarantine).where(quarantine.c.phone == FIRST_PHONE).values(before)))
    answers(world, slow, NOT_TAKEN)
    assert checked(world) == QUEUED
    assert world.claim("heir")

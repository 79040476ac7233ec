"""A late answer that names the parts of a message of which receipts have taught some ids already."""

from __future__ import annotations

import pytest

from app.core.states import DeliveryState
from app.database.connection import Database
from app.ledger.contract import ChunkLease, Reservation, SubmitOutcome
from app.reports.verification.verify import verify
from carriers.contract import Accepted, Deferred, Partial, Reason, ReceiptStatus, SubmitResult, Unknown
from tests.app.ledger.test_receipt_matching import state
from tests.app.ledger.times import (
    BAD,
    DELIVERED,
    GOOD,
    ON_ITS_WAY,
    SUBMITTED,
    UNDELIVERED,
    UNKNOWN,
    apply,
    look_again,
    notice,
    said,
)
from tests.app.world import World, build

BOTH = Accepted(("a", "b"))


def lost(db: Database, parts: int = 2) -> tuple[World, ChunkLease]:
    """One message of so many parts, unknown, and the lease of its sender, whose answer is yet to come."""
    world = build(db, 1)
    db.write(world.ledger.open_campaign, world.campaign)
    db.write(world.ledger.fan_out, world.run, world.batch, {"": parts}, 100)
    slow = world.claim("slow", lease_s=0.0)
    assert slow
    db.write(world.ledger.record, world.link, slow, [], Reservation(2, parts), -1.0)
    notice(world)
    assert state(world) == UNKNOWN
    return world, slow


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


def test_an_answer_without_knowledge_numbers_its_parts_alike(db: Database) -> None:
    world, slow = lost(db)
    tells(world, "b")
    answers(world, slow, Unknown("no answer to the last part", ("a", "b")))
    tells(world, "b")
    assert checked(world) == UNKNOWN
    tells(world, "a")
    assert checked(world) == DELIVERED


def test_the_part_without_an_id_is_the_one_whose_id_a_receipt_has_taught(db: Database) -> None:
    world, slow = lost(db)
    tells(world, "b")
    answers(world, slow, Unknown("no answer to the last part", ("a", None)))
    tells(world, "b")
    assert checked(world) == UNKNOWN
    tells(world, "a")
    assert checked(world) == DELIVERED


@pytest.mark.parametrize("refs", [("b", "b"), ("b",), ("b", "a", "c"), ("x", "y"), ()])
def test_an_answer_that_fits_no_numbering_is_recorded_as_it_is(db: Database, refs: tuple[str, ...]) -> None:
    world, slow = lost(db)
    tells(world, "b")
    answers(world, slow, Accepted(refs))
    assert checked(world) in (SUBMITTED, DELIVERED)


def test_an_answer_of_many_messages_numbers_each_by_its_own_receipts(db: Database) -> None:
    world = build(db, 3)
    db.write(world.ledger.open_campaign, world.campaign)
    db.write(world.ledger.fan_out, world.run, world.batch, {"": 2}, 100)
    slow = world.claim("slow", lease_s=0.0)
    assert slow
    db.write(world.ledger.record, world.link, slow, [], Reservation(4, 6), -1.0)
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


@pytest.mark.parametrize("status", [GOOD, BAD, ON_ITS_WAY])
def test_what_a_receipt_told_of_is_not_sent_again_for_a_late_not_taken(
    db: Database, status: ReceiptStatus
) -> None:
    """One of the two is wrong, and nobody knows which."""
    world, slow = lost(db)
    tells(world, "b", status)
    answers(world, slow, Deferred("0x58", 1.0, throttled=True))
    assert checked(world) == UNKNOWN
    assert world.claim("heir") is None
    assert world.states() == {int(DeliveryState.UNKNOWN): 1} == world.tallied()

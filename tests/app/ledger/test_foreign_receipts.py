"""A receipt of another program on the account, or of a subscriber's making, moves no message of ours."""

from __future__ import annotations

import pytest

from app.database.connection import Database
from app.ledger.contract import Arrival
from carriers.contract import Accepted, ReceiptStatus, Unknown
from tests.app.ledger.times import BAD, DELIVERED, SUBMITTED, UNKNOWN, apply, look_again, passes, said
from tests.long.app.ledger.test_time_of_receipts import sent, state


def named(arrival: Arrival, sender: str, *, by_id_only: bool = False) -> Arrival:
    receipt = arrival.receipt._replace(sender=sender, by_id_only=by_id_only)
    return arrival._replace(receipt=receipt)


@pytest.mark.parametrize("status", [None, BAD], ids=["delivered", "failed"])
@pytest.mark.parametrize("reference", ["another", None], ids=["named", "nameless"])
def test_another_sender_s_receipt_settles_no_unknown(
    db: Database, reference: str | None, status: ReceiptStatus | None
) -> None:
    world = sent(db, Unknown("no answer"), count=1)
    one = said(world, reference) if status is None else said(world, reference, status)
    assert apply(world, named(one, "OTHERBRAND")) == (0, 0, 1)
    look_again(world)
    passes(db, 1)
    look_again(world)
    assert state(world) == UNKNOWN
    world.check()


@pytest.mark.longer
@pytest.mark.parametrize("sender", ["CA SONLA", "ca sonla", "CASONLA", "CA SON", "CA S", ""])
def test_our_own_sender_s_receipt_settles_it_however_the_centre_spells_it(db: Database, sender: str) -> None:
    world = sent(db, Unknown("no answer"), count=1)
    apply(world, named(said(world, "own"), sender))
    look_again(world)
    assert state(world) == DELIVERED
    world.check()


@pytest.mark.longer
def test_two_letters_are_too_few_to_be_a_part_of_our_name(db: Database) -> None:
    world = sent(db, Unknown("no answer"), count=1)
    apply(world, named(said(world, "another"), "CA"))
    look_again(world)
    assert state(world) == UNKNOWN


@pytest.mark.longer
def test_what_a_subscriber_may_have_written_settles_nothing_by_the_phone(db: Database) -> None:
    world = sent(db, Unknown("no answer"), count=1)
    assert apply(world, named(said(world, "12345"), "", by_id_only=True)) == (0, 0, 1)
    assert apply(world, named(said(world, None), "", by_id_only=True)) == (0, 0, 1)
    look_again(world)
    assert state(world) == UNKNOWN


def test_by_our_own_id_it_moves_its_message_and_that_of_no_other_phone(db: Database) -> None:
    world = sent(db, Accepted(("m1",)), count=1)
    other = named(said(world, "m1", phone=84999999999), "", by_id_only=True)
    assert apply(world, other) == (0, 0, 1)
    assert state(world) == SUBMITTED
    assert apply(world, named(said(world, "m1"), "OTHERBRAND", by_id_only=True)) == (1, 1, 0)
    assert state(world) == DELIVERED

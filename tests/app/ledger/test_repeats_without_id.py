"""A receipt without its id is about the message that has it, not about another round's."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from app.core import clock
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import deliveries, quarantine, runs
from app.ledger.contract import Arrival
from carriers.contract import Accepted, ReceiptStatus
from tests.app.ledger.test_receipt_matching import again, apply, said, sent, state
from tests.app.ledger.times import BAD, DELIVERED, GOOD, SUBMITTED, passes


def without_id(arrival: Arrival) -> Arrival:
    return arrival._replace(receipt=arrival.receipt._replace(reference=None))


@pytest.mark.parametrize("status", [GOOD, BAD])
@pytest.mark.parametrize("with_id_first", [True, False])
def test_a_receipt_that_comes_again_without_its_id_moves_no_other_message(
    db: Database, status: ReceiptStatus, with_id_first: bool
) -> None:
    first = sent(db, Accepted(("of the first",)))
    second = again(first, Accepted(("of the second",)))
    whole = said(second, status, reference="of the second")
    without = without_id(whole)
    for each in (whole, without) if with_id_first else (without, whole):
        apply(first, each)
    db.write(lambda c: first.ledger.rematch(c, 100))
    after = DeliveryState.DELIVERED if status is GOOD else DeliveryState.UNDELIVERED
    assert (state(first), state(second)) == (SUBMITTED, after)


def test_another_time_is_another_receipt(db: Database) -> None:
    first = sent(db, Accepted(("of the first",)))
    second = again(first, Accepted(("of the second",)))
    assert apply(first, said(second, reference="of the second", minutes=-2.0)) == (1, 1, 0)
    assert apply(first, said(first, minutes=-1.0)) == (1, 1, 0)
    assert state(first) == DeliveryState.DELIVERED


def test_of_a_message_in_parts_it_says_nothing_of_the_other_parts(db: Database) -> None:
    first = sent(db, Accepted(("a", "b")))
    second = again(first, Accepted(("c", "d")))
    db.write(lambda c: c.execute(update(deliveries).values(segments=2)))
    of_one_part = said(second, reference="c")
    apply(first, of_one_part)
    assert apply(first, without_id(of_one_part)) == (0, 0, 1)
    assert (state(first), state(second)) == (SUBMITTED, SUBMITTED)
    apply(first, said(second, reference="d", minutes=1.0))
    db.write(lambda c: first.ledger.rematch(c, 100, [*c.execute(select(quarantine.c.id)).scalars()]))
    assert (state(first), state(second)) == (SUBMITTED, DeliveryState.DELIVERED)
    assert not db.read(lambda c: c.execute(select(quarantine.c.id)).scalars().all())


def test_by_a_fast_clock_it_is_the_same_receipt_though_it_is_kept_as_of_now(db: Database) -> None:
    """What a carrier states as yet to come is kept as of its arrival, so of each arrival otherwise."""
    first = sent(db, Accepted(("of the first",)))
    second = again(first, Accepted(("of the second",)))
    ahead = said(second, reference="of the second", minutes=5.0)
    assert apply(first, ahead) == (1, 1, 0)
    apply(first, without_id(ahead))
    assert (state(first), state(second)) == (SUBMITTED, DeliveryState.DELIVERED)


def test_another_word_of_the_same_moment_is_nobody_s(db: Database) -> None:
    first = sent(db, Accepted(("of the first",)))
    second = again(first, Accepted(("of the second",)))
    good = said(second, reference="of the second")
    apply(first, good)
    bad = good._replace(receipt=good.receipt._replace(reference=None, status=BAD))
    assert apply(first, bad) == (0, 0, 1)
    assert (state(first), state(second)) == (SUBMITTED, DeliveryState.DELIVERED)


@pytest.mark.longer
def test_a_receipt_without_an_id_is_about_a_run_that_ended_within_the_days_of_its_messages(
    db: Database,
) -> None:
    world = sent(db, Accepted(()))
    over = {"state": RunState.FINISHED.value, "ended_at": clock.now_ms()}
    db.write(lambda c: c.execute(update(runs).values(over)))
    passes(db, 4)
    assert apply(world, said(world)) == (1, 1, 0)
    assert state(world) == DELIVERED

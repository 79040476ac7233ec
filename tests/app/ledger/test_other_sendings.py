"""A receipt with an unknown id settles an unknown message only where it can mean no other one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from app.database.connection import Database
from app.database.models import chunks, links, quarantine, unknowns
from app.ledger.contract import VALIDITY_MS, ChunkLease, Reservation
from app.reports.verification.verify import verify
from carriers.contract import ReceiptStatus, Unknown
from tests.app.ledger.test_receipt_matching import again, count, state
from tests.app.ledger.times import (
    BAD,
    DELIVERED,
    GOOD,
    QUEUED,
    SUBMITTED,
    UNKNOWN,
    apply,
    look_again,
    said,
)
from tests.app.world import FIRST_PHONE, World, accepted, build

NO_ANSWER = Unknown("no answer")
DAYS = VALIDITY_MS / 86_400_000


def on_its_way(db: Database, lease_s: float = 30.0) -> tuple[World, ChunkLease]:
    """A message that is reserved, and of which no answer is recorded."""
    world = build(db, 1)
    world.fan_out()
    lease = world.claim(lease_s=lease_s)
    assert lease
    db.write(world.ledger.record, world.link, lease, [], Reservation(2, 1), lease_s)
    return world, lease


def test_what_is_on_its_way_is_not_taken_for_another_campaigns_unknown_message(db: Database) -> None:
    world, lease = on_its_way(db)
    other = again(world, NO_ANSWER)
    assert apply(world, said(world, "m2")) == (0, 0, 1)
    look_again(world)
    assert (state(world), state(other)) == (QUEUED, UNKNOWN)
    db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    assert (state(world), state(other), count(db, quarantine)) == (DELIVERED, UNKNOWN, 0)
    assert verify(db, world.ledger) == []


def test_what_a_dead_process_may_have_sent_is_not_taken_for_another_campaigns(db: Database) -> None:
    world, _ = on_its_way(db, lease_s=-1.0)
    other = again(world, NO_ANSWER)
    apply(world, said(world, "m2"))
    look_again(world)
    assert (state(world), state(other)) == (QUEUED, UNKNOWN)
    assert world.claim("heir")
    look_again(world)
    assert (state(world), state(other), count(db, quarantine)) == (UNKNOWN, UNKNOWN, 1)


@pytest.mark.parametrize("status", [GOOD, BAD])
def test_a_receipt_without_an_id_settles_no_unknown_message_while_another_is_on_its_way(
    db: Database, status: ReceiptStatus
) -> None:
    world, lease = on_its_way(db)
    other = again(world, NO_ANSWER)
    assert apply(world, said(world, None, status)) == (0, 0, 1)
    look_again(world)
    assert (state(world), state(other)) == (QUEUED, UNKNOWN)
    db.write(world.ledger.record, world.link, lease, [], None, 30.0)
    assert (state(world), state(other)) == (QUEUED, UNKNOWN)


def test_without_another_the_unknown_message_is_settled(db: Database) -> None:
    world, lease = on_its_way(db)
    other = again(world, NO_ANSWER)
    db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    apply(world, said(world, "late"))
    look_again(world)
    assert (state(world), state(other)) == (SUBMITTED, DELIVERED)
    apply(world, said(world, None, phone=FIRST_PHONE + 1))  # of the other campaign alone
    look_again(world)
    assert state(other, 3) == DELIVERED
    assert verify(db, world.ledger) == []


def test_a_receipt_that_waits_is_of_the_account_that_its_link_has_now(db: Database) -> None:
    world, lease = on_its_way(db)
    assert apply(world, said(world, "m2")) == (0, 0, 1)
    db.write(lambda c: c.execute(update(links).values(group_id=7)))
    link = replace(world.link, group_id=7)
    db.write(world.ledger.record, link, lease, accepted(lease.items), None, 30.0)
    look_again(world)
    assert (state(world), count(db, quarantine)) == (DELIVERED, 0)


def test_an_id_that_another_message_bears_is_not_learnt_though_it_seems_to_be_sent_after_its_receipt(
    db: Database,
) -> None:
    """The clock leapt ahead by half a day between the receipt and the record of its message's answer."""
    world, lease = on_its_way(db)
    other = again(world, NO_ANSWER)
    both = said(world, "m2"), said(world, "of another number", phone=FIRST_PHONE + 1)
    assert apply(world, *both) == (0, 0, 2)
    for column in (quarantine.c.received_at, quarantine.c.done_at, unknowns.c.since, chunks.c.taken_at):
        earlier = {column.name: column - 43_200_000}
        db.write(lambda c, of=column.table, to=earlier: c.execute(update(of).values(to)))
    db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    look_again(world)
    assert (state(world), state(other), state(other, 3)) == (SUBMITTED, UNKNOWN, DELIVERED)
    assert (count(db, quarantine), verify(db, world.ledger)) == (1, [])

"""A receipt with an unknown id settles an unknown message only where it can mean no other one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from app.database.connection import Database
from app.database.models import chunks, deliveries, links, quarantine, unknowns
from app.dispatch.link_store import LinkRecord, register
from app.ledger.contract import VALIDITY_MS, ChunkLease, DeliveryKey, Reservation
from app.reports.verification.verify import verify
from carriers.contract import ReceiptLevel, ReceiptStatus, Unknown
from tests.app.ledger.test_receipt_matching import again, count, sent, state
from tests.app.ledger.times import (
    BAD,
    DELIVERED,
    GOOD,
    QUEUED,
    SUBMITTED,
    UNKNOWN,
    apply,
    look_again,
    passes,
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


@pytest.mark.longer
@pytest.mark.parametrize(("days", "of_other"), [(0.01, UNKNOWN), (DAYS + 0.1, DELIVERED)])
def test_the_first_copy_of_what_a_person_sent_again_may_be_meant_as_long_as_carriers_try(
    db: Database, days: float, of_other: object
) -> None:
    world = sent(db, NO_ANSWER, count=1)
    passes(db, 0.01)
    assert db.write(world.ledger.resend, [DeliveryKey(world.campaign, world.batch, 2)]) == 1
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, accepted(lease.items, "second"), None, 30.0)
    passes(db, days)
    other = again(world, NO_ANSWER)
    apply(world, said(world, "first"))
    look_again(world)
    assert (state(world), state(other)) == (SUBMITTED, of_other)
    assert verify(db, world.ledger) == []


def test_a_receipt_that_waits_is_of_the_account_that_its_link_has_now(db: Database) -> None:
    world, lease = on_its_way(db)
    assert apply(world, said(world, "m2")) == (0, 0, 1)
    db.write(lambda c: c.execute(update(links).values(group_id=7)))
    link = replace(world.link, group_id=7)
    db.write(world.ledger.record, link, lease, accepted(lease.items), None, 30.0)
    look_again(world)
    assert (state(world), count(db, quarantine)) == (DELIVERED, 0)


def test_the_first_copy_may_be_meant_while_the_second_one_is_on_its_way(db: Database) -> None:
    world = sent(db, NO_ANSWER, count=1)
    other = again(world, NO_ANSWER)
    passes(db, 1 / 12)
    assert db.write(world.ledger.resend, [DeliveryKey(world.campaign, world.batch, 2)]) == 1
    passes(db, 1 / 24)
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, [], Reservation(2, 1), 30.0)
    apply(world, said(world, "first", days=-1 / 12))
    look_again(world)
    assert (state(world), state(other)) == (QUEUED, UNKNOWN)


def test_the_first_copy_may_be_meant_though_the_second_went_over_another_account(db: Database) -> None:
    world = sent(db, NO_ANSWER, count=1)
    other = again(world, NO_ANSWER)
    assert db.write(world.ledger.resend, [DeliveryKey(world.campaign, world.batch, 2)]) == 1
    second = db.write(register, LinkRecord("viettel-2", "viettel", "viettel-2", 100.0, ReceiptLevel.HANDSET))
    lease = db.write(world.ledger.claim, second, [world.run], "other", 30.0)
    assert lease
    db.write(world.ledger.record, second, lease, accepted(lease.items, "second"), None, 30.0)
    apply(world, said(world, "first"))
    look_again(world)
    assert (state(world), state(other)) == (SUBMITTED, UNKNOWN)


def test_a_carriers_wrong_clock_does_not_tell_what_is_on_its_way_from_what_is_long_unknown(
    db: Database,
) -> None:
    other = sent(db, NO_ANSWER, count=1)
    passes(db, 1 / 3)
    world = again(other, NO_ANSWER)  # to be replaced by one that is on its way
    db.write(world.ledger.resend, [DeliveryKey(world.campaign, world.batch, seq) for seq in (2, 3)])
    db.write(lambda c: c.execute(update(deliveries).values(resends=0)))
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, [], Reservation(3, 2), 30.0)
    apply(world, said(world, "m2", days=-7 / 24))
    look_again(world)
    assert (state(world), state(other)) == (QUEUED, UNKNOWN)
    db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    look_again(world)
    assert (state(world), state(other)) == (DELIVERED, UNKNOWN)


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

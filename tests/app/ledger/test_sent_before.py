"""Somebody who can write the database queues again what the carrier has taken: it is named, also mid-run."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, delete, update

from app.core.errors import Impossible
from app.database.connection import Database
from app.database.models import chunks, deliveries, tallies
from app.ledger.contract import SENT_BEFORE
from app.reports.verification.verify import verify
from tests.app.world import World, accepted, build


def sent(world: World, name: str) -> None:
    lease = world.claim()
    assert lease is not None
    items = list(lease.items)
    world.db.write(world.ledger.record, world.link, lease, accepted(items, name), None, 30.0)
    world.db.write(world.ledger.release, lease, 0.0)


def set_back(db: Database, pass_no: int) -> World:
    """A sent chunk of 20 that was queued again by SQL, together with its tallies."""
    world = build(db, 40, chunk=20)
    world.fan_out()
    sent(world, "first")

    def work(c: Connection) -> None:
        again = {"state": 0, "watermark": chunks.c.first_seq - 1, "pass_no": pass_no, "not_before": 0}
        c.execute(update(chunks).where(chunks.c.first_seq == 2).values(again))
        c.execute(update(deliveries).values(state=0, reason=0, attempts=0))
        c.execute(delete(tallies))
        world.ledger.correct(c, world.campaign, list(world.ledger.recount(c, world.campaign)))

    db.write(work)
    return world


def named(world: World) -> list[str]:
    return [each.sentence for each in verify(world.db, world.ledger)]


def test_what_is_queued_and_was_sent_is_named_and_its_second_answer_is_not_recorded(db: Database) -> None:
    world = set_back(db, pass_no=1)
    said = "Batch 1: 20 deliveries (the first: line 2) are recorded as QUEUED, but a submission says"
    assert [each.startswith(said) for each in named(world)] == [True]
    with pytest.raises(Impossible) as error:
        sent(world, "second")
    assert str(error.value) == SENT_BEFORE
    assert [each.startswith(said) for each in named(world)] == [True]


def test_what_was_taken_twice_without_an_order_is_named(db: Database) -> None:
    world = set_back(db, pass_no=2)
    sent(world, "second")
    said = "Batch 1: 20 messages (the first: line 2) were accepted twice without an order."
    assert named(world) == [said]

"""An erasure goes in slices between the commits of the senders, and keeps none of them waiting."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from sqlalchemy import Connection, insert, select, update

from app.core.errors import DatabaseUnavailable
from app.core.states import DeliveryState
from app.database import models as m
from app.database.connection import Database
from app.ledger.contract import ChunkLease, Reservation, SubmitOutcome
from app.ledger.ledger import ledger_for
from app.privacy import certificates
from app.privacy.erasable import ErasureKind
from app.reports.verification.verify import verify
from tests.app.world import FIRST_PHONE, World, accepted, add_batch, build
from tests.engines import other_by_hand
from tests.long.app.privacy.past import erase, eraser, rows
from tests.long.app.reports.scene import T0

_OLD = 10_000
_NEW = 4_000


def two_campaigns(db: Database, old: int = _OLD, new: int = _NEW) -> World:
    """Campaign 1 of long ago, with its messages; campaign 2, whose sending begins. As one that can send."""
    first = build(db, old, chunk=100)
    first.fan_out()
    db.write(lambda c: c.execute(update(m.runs).values(state="sent", started_at=T0, ended_at=T0)))
    batch = db.write(_second, [FIRST_PHONE + old + n for n in range(new)])
    return replace(first, campaign=2, run=2, batch=batch)


def _second(c: Connection, phones: list[int]) -> int:
    first = dict(c.execute(select(m.campaigns)).one()._mapping)
    c.execute(insert(m.campaigns).values(first | {"id": 2}))
    run = dict(c.execute(select(m.runs)).one()._mapping)
    c.execute(insert(m.runs).values(run | {"id": 2, "campaign_id": 2, "state": "running", "ended_at": None}))
    return add_batch(c, 2, 2, phones)


class Sender:
    """What a link does: declare a half, and record the answers with the next declaration."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.slices: list[int] = []  # of the erasure, as each commit of ours found it
        self.over = False

    async def run(self) -> None:
        db, ledger = self.world.db, self.world.ledger
        while not self.over and (lease := await db.awrite(self._claim)):
            outcomes: list[SubmitOutcome] = []
            for start in range(0, len(lease.items), 20):
                half = list(lease.items[start : start + 20])
                await db.awrite(self._record, lease, outcomes, Reservation(half[-1].seq, len(half)))
                outcomes = accepted(half, f"{lease.first_seq}-")
            await db.awrite(ledger.record, self.world.link, lease, outcomes, None, 30.0)
            await db.awrite(ledger.release, lease, 0.0)

    def _claim(self, c: Connection) -> ChunkLease | None:
        return self.world.ledger.claim(c, self.world.link, [self.world.run], "link", 30.0)

    def _record(
        self, c: Connection, lease: ChunkLease, outcomes: list[SubmitOutcome], then: Reservation
    ) -> None:
        self.world.ledger.record(c, self.world.link, lease, outcomes, then, 30.0)
        counts = c.execute(select(m.erasures.c.counts).where(m.erasures.c.kind == "campaign")).scalar() or {}
        self.slices.append(counts.get("chunks", 0))


async def _both(world: World) -> Sender:
    sender = Sender(world)
    sending = asyncio.create_task(sender.run())
    while not sender.slices:  # noqa: ASYNC110 - the first commit of the sender
        await asyncio.sleep(0.001)
    await eraser(world.db).run(asyncio.Event())
    sender.over = True
    await sending
    return sender


@pytest.mark.prove
@other_by_hand
def test_the_writer_is_shared_slice_by_slice(db: Database) -> None:
    world = two_campaigns(db)
    world.fan_out()
    sender = asyncio.run(_both(world))
    seen = [n for n in sender.slices if 0 < n < 100]
    assert len(set(seen)) > 10  # commits of the sender all along the erasure
    steps = [after - before for before, after in pairwise(seen)]
    assert max(steps) <= 5, "a sender waited behind many slices"
    assert rows(db, m.deliveries) == _NEW
    assert world.states()[DeliveryState.SUBMITTED] > 0
    assert verify(db, world.ledger) == []
    made = {each.kind: each for each in db.read(certificates.listed, 0, 10).items}
    assert made[ErasureKind.CAMPAIGN].rows["deliveries"] == _OLD
    assert made[ErasureKind.BATCH].rows["subscribers"] == _OLD


@pytest.mark.prove
@other_by_hand
def test_a_campaign_that_sends_is_left_alone(db: Database) -> None:
    world = two_campaigns(db)
    world.fan_out()
    erase(db)
    assert world.states() == {DeliveryState.QUEUED: _NEW}
    assert world.fan_out() == 0


def test_a_long_reader_puts_an_erasure_off_and_keeps_no_sender_waiting(db: Database) -> None:
    """A report or pg_dump holds the tables: who asks for them all the same lets everybody queue behind."""
    if db.sqlite:
        pytest.skip("SQLite detaches nothing")
    two_campaigns(db, 20, 20)
    reading, read, seen = threading.Event(), threading.Event(), list[int]()

    def reader(c: Connection) -> None:
        c.exec_driver_sql("SELECT count(*) FROM submissions").scalar()
        reading.set()
        read.wait(30)

    def watch(done: threading.Event) -> None:
        here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        waits = "NOT granted AND mode = 'AccessExclusiveLock'"
        asked = f"SELECT count(*) FROM pg_locks WHERE {waits} AND {here}"
        while not done.is_set():
            seen.append(int(db.read(lambda c: c.exec_driver_sql(asked).scalar_one())))

    done = threading.Event()
    others = [threading.Thread(target=db.read, args=(reader,)), threading.Thread(target=watch, args=(done,))]
    others[0].start()
    assert reading.wait(30)
    others[1].start()
    time.sleep(0.3)
    try:
        with pytest.raises(DatabaseUnavailable):
            db.write(ledger_for(db).detach, 1)
    finally:
        done.set()
        read.set()
        for other in others:
            other.join(30)
    assert seen
    assert sum(seen) == 0
    db.write(ledger_for(db).detach, 1)

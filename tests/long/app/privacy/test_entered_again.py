"""An erasure that is killed anywhere leaves nothing that receipts or the next process could stumble over."""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, insert, select, update

from app.core import clock
from app.database import models as m
from app.database.connection import Database
from app.privacy import certificates
from app.privacy.erasable import ErasureKind
from app.reports.verification.verify import verify
from tests.app.held import expire
from tests.app.world import World, accepted, receipt
from tests.engines import other_by_hand
from tests.long.app.privacy.past import eraser, rows
from tests.long.app.privacy.test_beside_sending import two_campaigns

ERASURES = int(os.environ.get("LOA_TEST_ERASURES", "1"))  # each is killed four times at the least


class Killed(Exception):
    """The process has ended here."""


@contextmanager
def killed_before(db: Database, statement: int) -> Iterator[None]:
    """The process ends before the nth statement that changes something."""
    left = [statement]

    def before(*call: object) -> None:
        left[0] -= re.match(r"\s*(UPDATE|DELETE|INSERT|ALTER|DROP)", str(call[2])) is not None
        if left[0] < 0:
            raise Killed

    engines = {id(engine): engine for engine in (db.engine, db._hot)}.values()
    for engine in engines:
        event.listen(engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", before)


def receipts_come(world: World, number: int) -> None:
    """One for a message of today, one for nobody, and the sweep over quarantine."""
    own, strange = receipt(world.link, f"x{2 + number % 100}"), receipt(world.link, f"strange{number}")
    applied = world.db.write(world.ledger.apply, [own, strange])
    assert (applied.matched, applied.quarantined) == (1, 1)
    world.db.write(lambda c: c.execute(update(m.quarantine).values(try_at=0)))
    assert world.db.write(world.ledger.rematch, 500).quarantined == rows(world.db, m.quarantine)


@pytest.fixture
def world(db: Database) -> World:
    """Campaign 1 is over but for one receipt that never came; campaign 2 has messages under way."""
    world = two_campaigns(db, old=400, new=200)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, accepted(lease.items, "x"), None, 30.0)
    return world


@pytest.mark.prove
@other_by_hand  # make prove has more kills (test_erasure_kills)
@pytest.mark.parametrize("seed", range(14, 14 + ERASURES))
def test_an_erasure_killed_between_any_two_statements_stops_nobody(world: World, seed: int) -> None:
    db, dice, kills = world.db, random.Random(seed), 0
    ended = select(m.erasures.c.sha256).where(m.erasures.c.kind == "campaign")
    while not db.read(lambda c: c.execute(ended).scalar()):
        try:
            with killed_before(db, dice.randrange(2, 10 + kills // 2)):
                asyncio.run(eraser(db).run(asyncio.Event()))
        except Killed:
            kills += 1
            expire(db)
        receipts_come(world, kills)
        assert kills < 150
    print(f"killed {kills} times")
    assert kills > 3, kills
    made = {each.kind: each for each in db.read(certificates.listed, 0, 10).items}[ErasureKind.CAMPAIGN]
    assert made.rows["deliveries"] == made.totals[0][2] == 400
    assert made.intact
    assert rows(db, m.deliveries) == 200
    assert verify(db, world.ledger) == []


def test_tables_that_an_erasure_left_half_dropped_are_passed_by(new_postgresql_url: str) -> None:
    """As the code before had left them between its steps: receipts go on, and the erasure goes on."""
    db = Database(new_postgresql_url)
    try:
        world = two_campaigns(db, old=200, new=200)
        world.fan_out()
        lease = world.claim()
        assert lease
        db.write(world.ledger.record, world.link, lease, accepted(lease.items, "x"), None, 30.0)
        db.write(world.ledger.detach, 1)
        db.write(lambda c: c.exec_driver_sql("DROP TABLE deliveries_c1"))
        begun = {"kind": "campaign", "subject_id": 1, "name": "old", "rule": "campaign", "days": 90}
        begun |= {"due_at": 0, "counts": {"deliveries": 200}, "totals": [], "by": "retention"}
        begun |= {"started_at": clock.now_ms()}
        db.write(lambda c: c.execute(insert(m.erasures).values(begun)))
        receipts_come(world, 0)
        # Somebody drops a table that no erasure speaks of: receipts pass that campaign by.
        db.write(lambda c: c.execute(m.erasures.delete()))
        db.write(world.ledger.apply, [receipt(world.link, "strange1")])
    finally:
        db.close()

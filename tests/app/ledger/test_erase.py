"""A campaign is erased chunk by chunk, then what belongs to no chunk; no other campaign loses a row."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from app.core.states import NotSent
from app.database.connection import Database
from app.database.models import (
    chunks,
    deliveries,
    left_out,
    receipts,
    state_events,
    submissions,
    tallies,
    unknowns,
)
from app.ledger.contract import SubmitOutcome
from carriers.contract import Accepted, Unknown
from tests.app.ledger.test_receipt_matching import again, apply, said
from tests.app.world import World, build
from tests.engines import on_sqlite

ROWS = (deliveries, submissions, receipts, unknowns, state_events, chunks, left_out)


def under_way(db: Database) -> tuple[World, World]:
    """Two campaigns with a row of every kind, the first of three chunks."""
    world = build(db, 5, chunk=2)
    world.fan_out()
    while lease := world.claim():
        outcomes = [
            SubmitOutcome(item, Unknown("no answer") if item.seq == 6 else Accepted((f"a{item.seq}",)))
            for item in lease.items
        ]
        db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
        db.write(world.ledger.release, lease, 0.0)
    other = again(world, Unknown("no answer"))
    assert (
        apply(world, said(world, reference="a2"), said(world, reference="a3", phone=84_912_000_001))[1] == 2
    )
    for each in (world, other):
        skipped = {"campaign_id": each.campaign, "batch_id": each.batch, "reason": int(NotSent.DO_NOT_SEND)}
        db.write(lambda c, row=skipped: c.execute(insert(left_out), [row | {"seq": n} for n in (90, 91)]))
    return world, other


def counted(db: Database, world: World) -> dict[str, int]:
    """How many rows of each table are the campaign's."""
    own = {table.name: select(func.count()).where(table.c.campaign_id == world.campaign) for table in ROWS}
    return {
        name: db.read(lambda c, query=query: c.execute(query).scalar_one()) for name, query in own.items()
    }


@pytest.mark.longer
def test_all_rows_of_a_campaign_go_and_none_of_another(db: Database) -> None:
    world, other = under_way(db)
    there, theirs = counted(db, world), counted(db, other)
    assert 0 not in there.values()
    figures = world.tallied()
    db.write(world.ledger.detach, world.campaign)
    assert db.write(world.ledger.erase, world.campaign, 1)["chunks"] == 1
    assert counted(db, world)["chunks"] == there["chunks"] - 1 == 2
    gone: Counter[str] = Counter({"chunks": 1})
    while some := db.write(world.ledger.erase, world.campaign, 100):
        gone.update(some)
    assert gone["chunks"] == 3
    assert gone["left_out"] == 2
    assert set(counted(db, world).values()) == {0}
    assert counted(db, other) == theirs
    assert world.tallied() == figures  # reports are made of them
    kept = select(func.count()).select_from(tallies).where(tallies.c.campaign_id == world.campaign)
    assert db.read(lambda c: c.execute(kept).scalar_one()) > 0


def test_each_row_that_is_erased_is_counted_in_its_table(db: Database) -> None:
    world, _ = under_way(db)
    there = counted(db, world)
    db.write(world.ledger.detach, world.campaign)
    gone: Counter[str] = Counter()
    while some := db.write(world.ledger.erase, world.campaign, 100):
        gone.update(some)
    for table in ROWS:
        assert gone[table.name] == there[table.name], table.name


@pytest.mark.longer
@on_sqlite
@pytest.mark.parametrize("limit", [1, 100])
def test_what_is_erased_is_written_over_in_the_file(db: Database, limit: int) -> None:
    world, _ = under_way(db)

    def work(c: Any) -> int:
        world.ledger.erase(c, world.campaign, limit)  # type: ignore[attr-defined]
        return int(c.exec_driver_sql("PRAGMA secure_delete").scalar())

    assert db.write(work) == 1

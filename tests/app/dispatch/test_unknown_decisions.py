"""The operator's list of unknown deliveries, and the two decisions on it."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from app.core.clock import DAY_MS
from app.core.errors import NotFound
from app.core.states import DeliveryState, NotSent, RunState
from app.database.connection import Database
from app.database.models import runs
from app.dispatch import run_sweeps as sweeps
from app.dispatch import unknown_decisions
from app.ledger.contract import SubmitOutcome
from carriers.contract import Unknown
from tests.app.world import World, build

Q, U = int(DeliveryState.QUEUED), int(DeliveryState.UNKNOWN)


def lost(db: Database, count: int = 4) -> World:
    world = build(db, count)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(item, Unknown("no answer")) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    db.write(lambda c: c.execute(update(runs).values(state=RunState.SENT.value)))
    return world


@pytest.mark.longer
def test_the_list_goes_page_by_page_in_order(db: Database) -> None:
    world = lost(db)
    first = db.read(unknown_decisions.listed, world.run, (0, 0), 3)
    assert [row.seq for row in first] == [2, 3, 4]
    rest = db.read(unknown_decisions.listed, world.run, (world.batch, 4), 3)
    assert [row.seq for row in rest] == [5]


@pytest.mark.longer
def test_an_empty_choice_is_all_of_them(db: Database) -> None:
    world = lost(db)
    assert (
        unknown_decisions.write_off(db, world.ledger, unknown_decisions.UnknownOrder(world.run, "Lan")) == 4
    )
    assert world.delivery(2)["reason"] == NotSent.WRITTEN_OFF
    assert len(db.read(unknown_decisions.listed, world.run)) == 4


@pytest.mark.longer
def test_a_run_that_is_not_there_is_named(db: Database) -> None:
    world = lost(db)
    with pytest.raises(NotFound, match="run 99"):
        db.read(unknown_decisions.listed, 99)
    assert world.run


def test_a_run_whose_unknown_ones_are_written_off_is_finished(db: Database) -> None:
    world = lost(db)
    db.write(sweeps.advance, world.ledger, DAY_MS)
    assert db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == RunState.SENT
    unknown_decisions.write_off(db, world.ledger, unknown_decisions.UnknownOrder(world.run, "Lan"))
    db.write(sweeps.advance, world.ledger, DAY_MS)
    assert db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == RunState.FINISHED

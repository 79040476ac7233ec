"""An erasure that begins while a run is just being planned over the same file."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, insert, select, update

from app.campaigns import lifecycle
from app.core.errors import Conflict
from app.core.states import BatchState, CampaignState
from app.database.connection import Database
from app.database.models import batches, campaigns, run_batches, subscribers
from app.privacy import person_answers
from tests.app.at_once import while_open
from tests.app.world import FIRST_PHONE, World, add_batch, build
from tests.long.app.privacy.past import eraser

NUMBER = FIRST_PHONE + 7


@pytest.fixture
def planned(db: Database) -> tuple[World, int, int]:
    """A world, a draft without runs, and an old file that nothing has used; its only number."""
    world = build(db, 1)
    batch = db.write(lambda c: add_batch(c, world.campaign, world.run, [NUMBER]))
    new = {"name": "T2", "purpose": "tuyen_truyen", "sender": "CA SONLA", "texts": {"": "x"}, "created_at": 0}
    new |= {"day_starts": "00:00", "day_ends": "24:00", "created_by": "test"}
    new |= {"state": CampaignState.DRAFT.value}
    campaign = db.write(lambda c: c.execute(insert(campaigns).values(new)).inserted_primary_key[0])
    db.write(lambda c: c.execute(run_batches.delete().where(run_batches.c.batch_id == batch)))
    db.write(lambda c: c.execute(update(batches).where(batches.c.id == batch).values(created_at=1)))
    return world, campaign, batch


def whole(db: Database, batch: int) -> bool:
    state = select(batches.c.state).where(batches.c.id == batch)
    left = select(func.count()).where(subscribers.c.batch_id == batch)
    return db.read(lambda c: (c.scalar(state), c.scalar(left))) == (BatchState.READY, 1)


def test_a_file_over_which_a_run_is_just_being_planned_is_not_erased(
    db: Database, planned: tuple[World, int, int]
) -> None:
    _, campaign, batch = planned
    while_open(
        db,
        lambda c: lifecycle.add_run(c, campaign, "viettel", [batch], "Lan"),
        lambda: asyncio.run(eraser(db).run(asyncio.Event())),
    )
    assert whole(db, batch)


def test_nor_is_the_line_of_a_person_who_asks_for_it(db: Database, planned: tuple[World, int, int]) -> None:
    world, campaign, batch = planned
    found = db.read(person_answers.find, NUMBER)

    def erase() -> None:
        with pytest.raises(Conflict, match="used or changed"):
            db.write(person_answers.erase, world.ledger, found)

    while_open(db, lambda c: lifecycle.add_run(c, campaign, "viettel", [batch], "Lan"), erase)
    assert whole(db, batch)

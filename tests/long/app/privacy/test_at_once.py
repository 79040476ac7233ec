"""An erasure that begins while a run is planned over the same file."""

from __future__ import annotations

import asyncio

from sqlalchemy import func, insert, select, update

from app.campaigns import lifecycle
from app.core.states import BatchState, CampaignState
from app.database.connection import Database
from app.database.models import batches, campaigns, run_batches, subscribers
from tests.app.at_once import while_open
from tests.app.world import FIRST_PHONE, add_batch, build
from tests.long.app.privacy.past import eraser


def test_a_file_over_which_a_run_is_just_being_planned_is_not_erased(db: Database) -> None:
    world = build(db, 1)
    batch = db.write(lambda c: add_batch(c, world.campaign, world.run, [FIRST_PHONE + 7]))
    new = {"name": "T2", "purpose": "tuyen_truyen", "sender": "CA SONLA", "texts": {"": "x"}, "created_at": 0}
    new |= {
        "day_starts": "00:00",
        "day_ends": "24:00",
        "state": CampaignState.DRAFT.value,
        "created_by": "test",
    }
    campaign = db.write(lambda c: c.execute(insert(campaigns).values(new)).inserted_primary_key[0])
    db.write(lambda c: c.execute(run_batches.delete().where(run_batches.c.batch_id == batch)))
    db.write(lambda c: c.execute(update(batches).where(batches.c.id == batch).values(created_at=1)))
    while_open(
        db,
        lambda c: lifecycle.add_run(c, campaign, "viettel", [batch], "Lan"),
        lambda: asyncio.run(eraser(db).run(asyncio.Event())),
    )
    state = select(batches.c.state).where(batches.c.id == batch)
    assert db.read(lambda c: c.execute(state).scalar_one()) == BatchState.READY
    left = select(func.count()).where(subscribers.c.batch_id == batch)
    assert db.read(lambda c: c.execute(left).scalar_one()) == 1

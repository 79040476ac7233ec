"""Two people at one run: what the second decides, it decides by what the first has done."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, update

from app.campaigns import lifecycle, runs
from app.core.states import CampaignState, RunState
from app.database.connection import Database
from app.database.models import audit, campaigns
from app.database.models import runs as rows
from tests.app.at_once import while_open
from tests.app.world import approve, build
from tests.engines import each_engine

database_url = each_engine


@pytest.mark.parametrize("state", [CampaignState.DRAFT, CampaignState.APPROVED])
def test_a_text_that_is_withdrawn_while_its_run_is_paused_ends_the_run(
    db: Database, state: CampaignState
) -> None:
    world = build(db, 1)
    text = {"name": "A", "purpose": "tuyen_truyen", "sender": "CA SONLA", "texts": {"": "x"}, "created_at": 0}
    text |= {"day_starts": "00:00", "day_ends": "24:00", "created_by": "test", "answers_to": "scam"}
    text |= {"state": state.value}
    answer = db.write(lambda c: c.execute(insert(campaigns).values(text)).inserted_primary_key[0])
    db.write(lambda c: approve(c, answer))
    weekly = update(campaigns).where(campaigns.c.id == world.campaign).values(answers_of=answer)
    db.write(lambda c: c.execute(weekly))
    while_open(
        db,
        lambda c: runs.act(c, runs.Verb.PAUSE, world.run, "Lan"),
        lambda: db.write(lifecycle.withdraw, answer, "Mai"),
    )
    assert db.read(lambda c: c.execute(select(rows.c.state)).scalar_one()) == RunState.CANCELLING
    said = select(audit.c.action).where(audit.c.subject == f"run/{world.run}").order_by(audit.c.id)
    assert db.read(lambda c: c.execute(said).scalars().all())[-2:] == ["run.pause", "run.cancel"]

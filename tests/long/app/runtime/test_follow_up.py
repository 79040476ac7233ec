"""Two rounds against a real message centre: nobody gets two, and the ledger closes."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection, func, select

from app.campaigns import approval, follow_ups, lifecycle, queries, runs
from app.campaigns.follow_ups import FollowUpRequest
from app.campaigns.quiet_hours import DayHours
from app.campaigns.runs import Verb
from app.core.config import LinkSettings, Settings, SuspendSettings
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import campaigns, deliveries
from app.database.models import runs as run_rows
from app.observability.metrics import Metrics
from app.reports.verification.verify import verify
from app.runtime.worker import Worker
from app.security import Caller
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.dispatch.paper import until
from tests.app.world import build
from tests.engines import other_by_hand

PEOPLE = 200
FAILING = SmscBehaviour(outcomes="UNDELIV/001=0.2,EXPIRED/027=0.2", receipt_delay_s=0.05)


def states(db: Database) -> list[str]:
    return list(db.read(lambda c: c.execute(select(run_rows.c.state).order_by(run_rows.c.id)).scalars()))


@pytest.mark.prove
@other_by_hand
async def test_two_rounds_reach_each_person_at_most_once(db: Database) -> None:
    world = build(db, PEOPLE)
    async with Smsc(FAILING) as smsc:
        own = {"host": "127.0.0.1", "port": smsc.port, "system_id": "loa", "password": "loa"}
        own |= {"receipt_level": "handset"}
        link = LinkSettings(carrier="viettel", segments_per_second=5000, **own)
        # So many failures would pause the run, if it were not over before somebody looks.
        calm = SuspendSettings(failed_percent=0)
        settings = Settings(links={"viettel-1": link}, lease_seconds=2, suspend=calm)
        work = Worker(db, world.ledger, settings, Metrics())
        running = asyncio.create_task(work.run())
        for seed in (2, 3):
            await until(lambda: set(states(db)) == {RunState.FINISHED})
            smsc.change(seed=seed)  # or each number would fare as before
            await follow(db)
        await until(lambda: set(states(db)) == {RunState.FINISHED})
        work.stop()
        await asyncio.wait_for(running, 20)
    d = deliveries.c
    good = select(d.phone, func.count()).where(d.state == DeliveryState.DELIVERED).group_by(d.phone)
    reached = db.read(lambda c: c.execute(good).all())
    assert {n for _, n in reached} == {1}
    assert len(reached) > PEOPLE * 0.9
    # A person has so many deliveries as rounds until one reached them.
    each = select(d.phone, func.max(d.campaign_id), func.count()).group_by(d.phone)
    assert all(n == last for _, last, n in db.read(lambda c: c.execute(each).all()))
    assert [each.sentence for each in verify(db, world.ledger)] == []


async def follow(db: Database) -> None:
    """The next round of whom the last one did not reach, approved and started."""

    def make(c: Connection) -> int:
        last = c.execute(select(func.max(campaigns.c.id))).scalar_one()
        made = follow_ups.create(c, FollowUpRequest((last,)), DayHours("00:00", "24:00"), "lan")
        db.wake(c)
        return made

    campaign = await db.awrite(make)
    await until(lambda: bool((found := db.read(queries.dossier, campaign).follow_up) and found.ready))
    await db.awrite(lifecycle.submit, campaign, "lan")
    await db.awrite(approval.approve, campaign, Caller("boss", "approver"), None, "at any hour")
    run = db.read(queries.dossier, campaign).runs[0].id
    await asyncio.to_thread(runs.order, db, Verb.START, run, "operator")

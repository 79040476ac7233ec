"""A follow-up of a large campaign: made, approved and queued; and the unique reach of both counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select, text, update

from app.batches import follow_up_job
from app.campaigns import approval, follow_ups, lifecycle, queries
from app.campaigns import runs as orders
from app.campaigns.follow_ups import FollowUpRequest
from app.campaigns.quiet_hours import DayHours
from app.campaigns.runs import Verb
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import runs
from app.dispatch.fan_out_job import FanOutJob
from app.ledger.ledger import ledger_for
from app.reports.build import unique_reach
from app.security import Caller
from tests.app.world import World, aside
from tests.bench.machinery import analyze, fresh_url, now
from tests.bench.path_bench import filled

_MISSED = 8  # per cent of the deliveries, in the middle of each hundred
_OUTCOME = f"""
    UPDATE deliveries SET link_id = 1, submitted_at = 1, done_at = 2,
           state = CASE WHEN seq % 100 BETWEEN 50 AND {49 + _MISSED} THEN {int(DeliveryState.UNDELIVERED)}
                   ELSE {int(DeliveryState.DELIVERED)} END
"""


def follow_up(engine: str, count: int) -> dict[str, float]:
    """Seconds of each step, of all to the last queued delivery, and of the reach of both campaigns."""
    with fresh_url(engine) as url:
        db = Database(url)
        try:
            world = filled(db, count)
            world.fan_out()
            db.write(_over, world)
            analyze(db)
            return _measured(db, world, count)
        finally:
            db.close()


def _over(connection: Connection, world: World) -> None:
    """All is sent and answered."""
    before = world.ledger.recount(connection, world.campaign)
    connection.execute(text(_OUTCOME))
    connection.execute(text("UPDATE chunks SET state = 2"))
    connection.execute(update(runs).values(state=RunState.FINISHED.value, started_at=1, ended_at=2))
    taken_back = [each._replace(n=-each.n, segments=-each.segments) for each in before]
    after = world.ledger.recount(connection, world.campaign)
    world.ledger.correct(connection, world.campaign, [*taken_back, *after])


def _measured(db: Database, world: World, count: int) -> dict[str, float]:
    found: dict[str, float] = {}

    def timed(name: str, work: Callable[..., Any], *args: Any) -> Any:
        started = now()
        done = work(*args)
        found[name] = now() - started
        return done

    wanted, hours = FollowUpRequest((world.campaign,)), DayHours("00:00", "24:00")
    made = db.write(follow_ups.create, wanted, hours, "lan")
    batch = db.read(follow_up_job.next_waiting)
    timed("made_s", follow_up_job.make, db, batch)
    timed("approved_s", _approve, db, made)
    timed("queued_s", _queue, db, made)
    found["all_s"] = sum(found.values())
    run = db.read(queries.dossier, made).runs[0]
    if run.progress["queued"].messages != count * _MISSED // 100:
        raise SystemExit("Not everybody who was missed was queued.")
    reach = timed("reach_s", _reach, db, [world.campaign, made])
    if reach != count - count * _MISSED // 100:
        raise SystemExit("The unique reach is not what was delivered.")
    return found


def _approve(db: Database, campaign: int) -> None:
    db.write(lifecycle.submit, campaign, "lan")
    seen = db.read(queries.dossier, campaign).digest
    db.write(approval.approve, campaign, Caller("boss", "approver"), seen, "a bench sends at any hour")


def _queue(db: Database, campaign: int) -> None:
    run = db.read(lambda c: c.execute(select(runs.c.id).where(runs.c.campaign_id == campaign)).scalar_one())
    orders.order(db, Verb.START, run, "operator")

    job = FanOutJob(db, ledger_for(db), aside(db))

    async def work() -> None:
        while await job.next():
            pass

    asyncio.run(work())


def _reach(db: Database, ids: list[int]) -> int:
    counts = db.read(unique_reach.of_campaigns, ids, db.read(db.clock_ms))
    return sum(each.first for each in counts)

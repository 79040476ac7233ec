"""A run that a link can't handle is set aside and shown; the link sends for all others meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import Connection, func, insert, select

from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import campaigns, deliveries, runs
from app.dispatch.send_loop import SendLoop
from app.observability import faults as kept
from app.observability.faults import Faults, Supervisor
from app.observability.metrics import Metrics
from tests.app.dispatch.paper import PaperCarrier, loop_for, until
from tests.app.poison import antidote, poison
from tests.app.world import FIRST_PHONE, World, add_batch
from tests.engines import on_sqlite
from tests.long.app.dispatch.test_send_loop import ready

SUBMITTED = int(DeliveryState.SUBMITTED)


def another_campaign(world: World) -> World:
    """A second campaign of the same carrier, less urgent, with numbers of its own; it is queued too."""

    def work(c: Connection) -> tuple[int, int, int]:
        row = dict(c.execute(select(campaigns)).mappings().one())
        del row["id"]
        campaign = c.execute(insert(campaigns).values(row)).inserted_primary_key[0]
        run = {"campaign_id": campaign, "carrier": "viettel", "state": "running", "created_at": 1}
        run_id = c.execute(insert(runs).values(run | {"priority": -1})).inserted_primary_key[0]
        phones = [FIRST_PHONE + 1_000_000 + n for n in range(60)]
        return campaign, run_id, add_batch(c, campaign, run_id, phones)

    second = World(world.db, world.ledger, *world.db.write(work), world.link)
    second.fan_out()
    return second


def sent(world: World) -> int:
    """How many of the run's deliveries the carrier has taken."""
    query = select(func.count()).where(deliveries.c.run_id == world.run, deliveries.c.state == SUBMITTED)
    return int(world.db.read(lambda c: c.execute(query).scalar_one()))


@asynccontextmanager
async def kept_at_work(loop: SendLoop) -> AsyncIterator[None]:
    """The loop under its supervisor, as the worker has it."""
    stopping = asyncio.Event()
    supervisor = Supervisor(Faults(loop.context.db, Metrics()), stopping)
    task = asyncio.create_task(supervisor.keep("link viettel-1", loop.run))
    try:
        yield
    finally:
        stopping.set()
        loop.stop()
        await asyncio.wait({task}, timeout=20)


@pytest.fixture(params=["chunks", "deliveries"])
def poisoned(request: pytest.FixtureRequest, db: Database) -> Iterator[str]:
    """The table whose rows of the first run can't be changed: at the claim, or at the record."""
    yield request.param
    antidote(db, request.param)


async def test_a_run_that_fails_at_claim_or_record_keeps_no_other_waiting(
    db: Database, poisoned: str
) -> None:
    first = ready(db, 40)
    second = another_campaign(first)
    poison(db, "UPDATE", poisoned, f"NEW.run_id = {first.run}")
    carrier = PaperCarrier()
    await carrier.open()
    async with kept_at_work(loop_for(first, carrier)):
        await until(lambda: sent(second) == 60, 30)
        assert ("sending", f"run {first.run}") in shown(db)
    assert max(carrier.copies.values()) == 1


@on_sqlite
async def test_a_campaign_whose_text_can_t_be_read_keeps_no_other_waiting(db: Database) -> None:
    first = ready(db, 40)
    second = another_campaign(first)
    spoilt = f"UPDATE campaigns SET texts = '{{' WHERE id = {first.campaign}"
    db.write(lambda c: c.exec_driver_sql(spoilt))
    carrier = PaperCarrier()
    await carrier.open()
    async with kept_at_work(loop_for(first, carrier)):
        await until(lambda: sent(second) == 60, 30)
    assert carrier.texts == {"Canh giac lua dao": 60}


def shown(db: Database) -> list[tuple[str, str]]:
    return [(row.source, row.subject) for row in db.read(kept.present)]

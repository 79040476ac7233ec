"""A centre that begins to fail many messages: the run pauses itself, and goes on by a person's order."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, update

from app.campaigns import runs as orders
from app.core.config import SuspendSettings
from app.core.states import DeliveryState, RunState
from app.database.connection import Database, shared_ms
from app.database.models import runs
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.world import World, build
from tests.engines import each_engine, other_by_hand
from tests.faults.working import run_state, until, working

database_url = each_engine
RATE, HONEST, MOST = 100, 300, 500


@pytest.fixture
async def smsc() -> AsyncIterator[Smsc]:
    behaviour = SmscBehaviour(receipt_delay_s=0.3, outcomes="UNDELIV/001=0.05", out_of_order=True, seed=4)
    async with Smsc(behaviour) as found:
        yield found


def sent(world: World) -> int:
    return sum(n for state, n in world.states().items() if state != DeliveryState.QUEUED)


@pytest.mark.prove
@other_by_hand
async def test_a_run_pauses_itself_and_is_let_go_on(db: Database, smsc: Smsc) -> None:
    world = build(db, 1500)
    world.fan_out()
    world.db.write(lambda c: c.execute(update(runs).values(started_at=shared_ms(c))))
    rate = {"segments_per_second": RATE}
    async with (
        working(world, smsc, suspend=SuspendSettings(), **rate),
        working(world, smsc, "viettel-2", SuspendSettings(), **rate),
    ):
        await until(lambda: sent(world) >= HONEST, "it sends")
        before = sent(world)
        smsc.change(outcomes="UNDELIV/001=0.3")
        await until(lambda: run_state(world) == RunState.PAUSED, "it pauses itself")
        assert sent(world) - before <= MOST
        smsc.change(outcomes="")
        assert orders.order(world.db, orders.Verb.RESUME, world.run, "Lan") == RunState.RUNNING
        held = world.db.read(lambda c: c.execute(select(runs.c.suspended)).scalar_one())
        assert held is None
        await until(lambda: run_state(world) == RunState.FINISHED, "the rest is delivered")
    assert sum(world.states().values()) == 1500
    assert smsc.report()["copies_max"] == 1
    world.check()

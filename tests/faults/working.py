"""A worker in this process against a message centre, for faults that are the carrier's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from sqlalchemy import func, select

from app.core.config import LinkSettings, Settings, SuspendSettings
from app.core.states import DeliveryState, RunState
from app.database.models import quarantine, runs
from app.observability.metrics import Metrics
from app.runtime.worker import Worker
from carriers.simulators.smsc import Smsc
from tests.app.world import World
from tests.faults.processes import smpp_link

NEVER = SuspendSettings(failed_percent=0, refused_percent=0, unknown_percent=0)
_LOOK_S = 0.05


class Centre(Protocol):
    """A message centre on this machine."""

    @property
    def port(self) -> int: ...


@asynccontextmanager
async def working(
    world: World,
    smsc: Centre,
    name: str = "viettel-1",
    suspend: SuspendSettings = NEVER,
    **more: object,
) -> AsyncIterator[Worker]:
    """A worker with one link, stopped in order at the end; planned faults do not pause its runs."""
    link = LinkSettings.model_validate(smpp_link("viettel", smsc.port, **more))
    settings = Settings(links={name: link}, lease_seconds=2, suspend=suspend)
    worker = Worker(world.db, world.ledger, settings, Metrics())
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(running, 30)


async def until(true: Callable[[], object], what: str, within_s: float = 30.0) -> None:
    """Look again and again, for half a minute at most if nothing else is said."""
    for _ in range(round(within_s / _LOOK_S)):
        if true():
            return
        await asyncio.sleep(_LOOK_S)
    raise AssertionError(f"not within {within_s:g} s: {what}")


def run_state(world: World) -> RunState:
    return RunState(world.db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()))


def quarantined(world: World) -> int:
    return world.db.read(lambda c: c.execute(select(func.count()).select_from(quarantine)).scalar_one())


async def all_delivered(world: World, smsc: Smsc, count: int) -> None:
    """The run finishes by itself, with one copy for each number and right tallies."""
    await until(lambda: run_state(world) == RunState.FINISHED, "the run is finished")
    assert world.states() == {DeliveryState.DELIVERED: count}
    seen = smsc.report()
    assert (seen["distinct_numbers"], seen["copies_max"]) == (count, 1)
    world.check()

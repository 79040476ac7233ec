"""The worker against a real message centre: links opened, receipts brought in, sweeps run, all drained."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select, update

from app.core.config import LinkSettings, Settings
from app.core.errors import SetupError
from app.core.states import ChunkState, DeliveryState, RunState
from app.database.connection import Database
from app.database.models import chunks, links, runs
from app.observability import faults
from app.observability.metrics import Metrics
from app.runtime.worker import Worker, build
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.dispatch.paper import until
from tests.app.world import World
from tests.app.world import build as build_world
from tests.engines import other_by_hand

D = int(DeliveryState.DELIVERED)


def link(port: int, **more: object) -> LinkSettings:
    own: dict[str, object] = {"host": "127.0.0.1", "port": port, "system_id": "loa", "password": "loa"}
    own |= {"receipt_level": "handset"}
    return LinkSettings(carrier="viettel", segments_per_second=5000, **(own | more))


def worker(world: World, only: str | None = None, **links: LinkSettings) -> Worker:
    settings = Settings(links=links, lease_seconds=2)
    return Worker(world.db, world.ledger, settings, Metrics(), only)


async def test_a_run_goes_from_its_batch_to_finished(db: Database) -> None:
    world = build_world(db, 250)
    async with Smsc(SmscBehaviour(receipt_delay_s=0.05)) as smsc:
        work = worker(world, viettel=link(smsc.port, window=50))
        running = asyncio.create_task(work.run())
        await until(lambda: world.states() == {D: 250})
        await until(lambda: _run_state(db) == RunState.FINISHED)
        work.stop()
        await asyncio.wait_for(running, 20)
        assert smsc.report()["copies_max"] == 1
        assert smsc.report()["receipts_outstanding"] == 0
    world.check()


def _run_state(db: Database) -> str:
    return str(db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()))


@other_by_hand
async def test_a_stop_in_the_middle_drains_and_a_new_worker_goes_on(db: Database) -> None:
    world = build_world(db, 400)
    async with Smsc(SmscBehaviour(answer_delay_s=0.02, receipt_delay_s=0.05)) as smsc:
        first = worker(world, viettel=link(smsc.port, window=10))
        running = asyncio.create_task(first.run())
        await until(lambda: int(str(smsc.report()["submits"])) >= 50)
        first.stop()
        await asyncio.wait_for(running, 20)
        held = select(chunks.c.owner).where(chunks.c.state == ChunkState.LEASED)
        assert db.read(lambda c: c.execute(held).all()) == []
        assert int(DeliveryState.UNKNOWN) not in world.states()
        second = worker(world, viettel=link(smsc.port, window=100))
        running = asyncio.create_task(second.run())
        await until(lambda: world.states() == {D: 400})
        second.stop()
        await asyncio.wait_for(running, 20)
        assert smsc.report()["copies_max"] == 1
    world.check()


async def test_a_wrong_password_halts_the_link_in_words(db: Database) -> None:
    world = build_world(db, 3)
    async with Smsc(accounts={"loa": "another"}) as smsc:
        work = worker(world, viettel=link(smsc.port))
        running = asyncio.create_task(work.run())
        query = select(links.c.state, links.c.reason).where(links.c.name == "viettel")
        await until(lambda: _halted(db.read(lambda c: c.execute(query).first())))
        work.stop()
        await asyncio.wait_for(running, 20)
    assert world.states() == {int(DeliveryState.QUEUED): 3}


def _halted(row: object) -> bool:
    return row is not None and row[0] == "halted"  # type: ignore[index]


async def test_only_the_named_carriers_links_are_opened(db: Database) -> None:
    world = build_world(db, 1)
    async with Smsc() as smsc:
        work = worker(world, "vnpt", viettel=link(smsc.port))
        running = asyncio.create_task(work.run())
        await asyncio.sleep(0.2)
        assert work.loops == []
        work.stop()
        await asyncio.wait_for(running, 20)


@other_by_hand
async def test_parts_that_fail_are_shown_and_go_on_when_the_cause_is_gone(db: Database) -> None:
    world = build_world(db, 5)
    db.write(lambda c: c.execute(update(runs).values(state=RunState.PAUSED.value)))
    async with Smsc(SmscBehaviour(receipt_delay_s=0.05)) as smsc:
        work = worker(world, viettel=link(smsc.port))
        running = asyncio.create_task(work.run())
        await until(lambda: work.loops != [])
        db.write(lambda c: c.exec_driver_sql("ALTER TABLE chunks RENAME TO elsewhere"))
        db.write(lambda c: c.execute(update(runs).values(state=RunState.RUNNING.value)))
        try:
            failing = {"sending", "closing", "runs"}
            await until(lambda: failing <= {row.source for row in db.read(faults.present)})
        finally:
            db.write(lambda c: c.exec_driver_sql("ALTER TABLE elsewhere RENAME TO chunks"))
        await until(lambda: world.states() == {D: 5})
        work.stop()
        await asyncio.wait_for(running, 20)
    world.check()


def test_a_wrong_link_is_refused_in_the_adapters_words() -> None:
    with pytest.raises(SetupError, match="window"):
        build("viettel", link(1, window="many"))


async def test_a_paused_run_is_woken_at_once_by_its_resume(db: Database) -> None:
    world = build_world(db, 20)
    db.write(lambda c: c.execute(update(runs).values(state=RunState.PAUSED.value)))
    async with Smsc() as smsc:
        work = worker(world, viettel=link(smsc.port))
        running = asyncio.create_task(work.run())
        await asyncio.sleep(0.3)
        assert int(str(smsc.report()["submits"])) == 0

        def resume(c: object) -> None:
            c.execute(update(runs).values(state=RunState.RUNNING.value))  # type: ignore[attr-defined]
            db.wake(c)  # type: ignore[arg-type]

        db.write(resume)
        await until(lambda: world.states() == {D: 20})
        work.stop()
        await asyncio.wait_for(running, 20)

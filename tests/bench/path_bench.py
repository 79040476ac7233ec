"""The whole path of a message, from submit to tallied receipt, beside the database alone in the same run."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from app.config import LinkSettings, Settings
from app.db import Database
from app.ledger.contract import Arrival, Intention, Item, Lease, Outcome
from app.metrics import Metrics
from app.models import lanes, tallies
from app.states import DeliveryState
from app.worker import Worker
from carriers.contract import Accepted, Receipt, ReceiptLevel, ReceiptStatus
from tests.app.world import World, build
from tests.bench.machinery import (
    RECEIPT_FLAGS,
    Simulator,
    analyze,
    cpu_of,
    fresh_url,
    now,
    server_cpu_s,
    simulator,
)

WINDOW = 100
GROUP = 200  # receipts in one commit
_HALF = 100  # results in one commit
_CHUNK = 1000
_PATIENCE_S = 600.0
_LOOK_S = 0.1
_LEASE_S = 60.0
_NO_LIMIT = 1_000_000.0  # segments/s: a pace that nobody feels


def path(engine: str, count: int) -> dict[str, float]:
    """Messages/s of the complete path and of the database alone, and CPU seconds per 1,000 by process."""
    return _complete(engine, count) | {"database_alone_messages_per_second": _database_alone(engine, count)}


# ---- the complete path ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cpu:
    """CPU seconds so far of this process, of the simulator and of the PostgreSQL server."""

    loa: float
    simulator: float
    server: float

    @classmethod
    def read(cls, smsc: Simulator) -> _Cpu:
        return cls(cpu_of(os.getpid()), smsc.cpu_s(), server_cpu_s())


def _complete(engine: str, count: int) -> dict[str, float]:
    """Send to the simulator until every receipt is committed, then recount."""
    with fresh_url(engine) as url, simulator(*RECEIPT_FLAGS) as smsc:
        db = Database(url)
        try:
            world = _queued(db, count)
            before = _Cpu.read(smsc)
            seconds = asyncio.run(_work(world, smsc.port, count))
            after = _Cpu.read(smsc)
            world.check()
        finally:
            db.close()
        seen = smsc.stop()
    if seen["distinct_numbers"] != count or seen["copies_max"] != 1:
        raise SystemExit(f"The simulator saw {seen['distinct_numbers']} numbers of {count}.")
    thousands = count / 1000
    figures = {
        "complete_messages_per_second": count / seconds,
        "loa_cpu_s_per_1000": (after.loa - before.loa) / thousands,
        "simulator_cpu_s_per_1000": (after.simulator - before.simulator) / thousands,
    }
    if engine == "postgresql":
        figures["server_cpu_s_per_1000"] = (after.server - before.server) / thousands
    return figures


def _queued(db: Database, count: int) -> World:
    """A running campaign whose deliveries are all queued."""
    world = build(db, count, chunk=_CHUNK)
    world.fan_out()
    analyze(db)
    return world


def _settings(port: int) -> Settings:
    link = LinkSettings(
        carrier="viettel",
        kind="smpp",
        segments_per_second=_NO_LIMIT,
        host="127.0.0.1",
        port=port,
        system_id="loa",
        password="loa",
        window=WINDOW,
    )
    return Settings(links={"viettel-1": link}, receipts_group=GROUP)


async def _work(world: World, port: int, count: int) -> float:
    """Run the worker; seconds from its start until the last receipt is seen committed (late by 0.1 s)."""
    worker = Worker(world.db, world.ledger, _settings(port), Metrics())
    running = asyncio.create_task(worker.run())
    started = now()
    while await world.db.aread(_delivered) < count:
        if running.done():
            running.result()
        if running.done() or now() - started > _PATIENCE_S:
            raise SystemExit(f"The path stopped after {now() - started:.0f} s: {world.states()}")
        await asyncio.sleep(_LOOK_S)
    seconds = now() - started
    worker.stop()
    await running
    return seconds


def _delivered(connection: Connection) -> int:
    query = select(func.coalesce(func.sum(tallies.c.n), 0)).where(tallies.c.state == DeliveryState.DELIVERED)
    return int(connection.execute(query).scalar_one())


# ---- the database alone -----------------------------------------------------------------------------------


def _database_alone(engine: str, count: int) -> float:
    """Messages/s of the same record, receipt and tally statements, fed from memory by two tasks."""
    with fresh_url(engine) as url:
        db = Database(url)
        try:
            world = _queued(db, count)
            db.write(lambda c: c.execute(update(lanes).values(segments_per_second=_NO_LIMIT)))
            started = now()
            asyncio.run(_feed(world))
            seconds = now() - started
            world.check()
            if world.states() != {int(DeliveryState.DELIVERED): count}:
                raise SystemExit(f"Not all was delivered: {world.states()}")
        finally:
            db.close()
    return count / seconds


async def _feed(world: World) -> None:
    reported: asyncio.Queue[list[Arrival] | None] = asyncio.Queue(maxsize=50)
    await asyncio.gather(_submit(world, reported), _receive(world, reported))


async def _submit(world: World, reported: asyncio.Queue[list[Arrival] | None]) -> None:
    """What a lane does with a carrier that answers at once."""
    db, ledger = world.db, world.ledger
    while lease := await db.awrite(ledger.claim, world.lane, [world.run], "bench", _LEASE_S):
        outcomes: list[Outcome] = []
        for start in range(0, len(lease.items), _HALF):
            half = lease.items[start : start + _HALF]
            intention = Intention(half[-1].seq, len(half))
            await db.awrite(ledger.record, world.lane, lease, outcomes, intention, _LEASE_S)
            outcomes = [Outcome(item, Accepted((_reference(lease, item),))) for item in half]
        await db.awrite(ledger.record, world.lane, lease, outcomes, None, _LEASE_S)
        await db.awrite(ledger.release, lease, 0.0)
        for start in range(0, len(lease.items), GROUP):
            some = lease.items[start : start + GROUP]
            await reported.put([Arrival(world.lane, _receipt(lease, item)) for item in some])
    await reported.put(None)


async def _receive(world: World, reported: asyncio.Queue[list[Arrival] | None]) -> None:
    """What the inbox does, one group after the other."""
    while (group := await reported.get()) is not None:
        await world.db.awrite(world.ledger.apply, group)


def _reference(lease: Lease, item: Item) -> str:
    return f"{lease.batch_id:03d}{item.seq:07d}"


def _receipt(lease: Lease, item: Item) -> Receipt:
    reference = _reference(lease, item)
    raw = f"id:{reference} sub:001 dlvrd:001 submit date:2402090700 done date:2402090701 stat:DELIVRD err:000"
    return Receipt(reference, str(item.phone), ReceiptStatus.DELIVERED, ReceiptLevel.HANDSET, raw=raw)

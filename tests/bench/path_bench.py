"""The whole path of one message, from submit to tallied receipt, beside its limits in the same run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sqlalchemy import func, select, update

from app.config import LinkSettings, Settings
from app.db import Database
from app.ledger.contract import Arrival, Intention, Outcome
from app.metrics import Metrics
from app.models import deliveries, lanes, quarantine, unknowns
from app.states import DeliveryState
from app.worker import Worker
from carriers.contract import Accepted, Receipt, ReceiptLevel, ReceiptStatus
from tests.app.world import World, build
from tests.bench.machinery import cpu_of, fresh_url, now, server_cpu_s, simulator

_PATIENCE_S = 600.0
_GROUP = 200


def settings(port: int, window: int) -> Settings:
    """One link to the simulator, without a limit that could be felt."""
    link = LinkSettings(
        carrier="viettel",
        kind="smpp",
        segments_per_second=1_000_000,
        host="127.0.0.1",
        port=port,
        system_id="loa",
        password="loa",
        window=window,
    )
    return Settings(links={"viettel-1": link}, receipts_group=_GROUP)


def complete(engine: str, count: int, window: int = 100) -> dict[str, float]:
    """Send `count` one-segment messages to the simulator and commit all receipts; rates and CPU."""
    flags = ("--receipt-delay-s", "0.3", "--receipt-window", "2000")
    with fresh_url(engine) as url, simulator(*flags) as smsc:
        db = Database(url)
        try:
            world = build(db, count, chunk=1000)
            world.fan_out()
            if engine == "postgresql":
                with db.engine.connect() as c:
                    c.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")
            before = (cpu_of(smsc.process.pid), server_cpu_s(), cpu_of(__import__("os").getpid()))
            seconds = asyncio.run(_work(world, settings(smsc.port, window), count))
            after = (cpu_of(smsc.process.pid), server_cpu_s(), cpu_of(__import__("os").getpid()))
            world.check()
        finally:
            db.close()
        seen = smsc.stop()
    used = [1000 * (b - a) / count for a, b in zip(before, after, strict=True)]
    return {
        "messages": count,
        "complete_messages_per_second": count / seconds,
        "loa_cpu_s_per_1000": used[2],
        "simulator_cpu_s_per_1000": used[0],
        "server_cpu_s_per_1000": used[1] if engine == "postgresql" else 0.0,
        "copies_max": seen["copies_max"],
        "distinct_numbers": seen["distinct_numbers"],
    }


async def _work(world: World, given: Settings, count: int) -> float:
    worker = Worker(world.db, world.ledger, given, Metrics())
    running = asyncio.create_task(worker.run())
    started = now()
    final = select(func.count()).where(deliveries.c.state == DeliveryState.DELIVERED)
    while world.db.read(lambda c: c.execute(final).scalar_one()) < count:
        await asyncio.sleep(0.25)
        if running.done() or now() - started > _PATIENCE_S:
            break
    seconds = now() - started
    worker.stop()
    await running
    return seconds


def database_alone(engine: str, count: int) -> dict[str, float]:
    """The same record, receipt and tally statements, fed from memory by two threads as in the worker."""
    with fresh_url(engine) as url:
        db = Database(url)
        try:
            world = build(db, count, chunk=1000)
            world.fan_out()
            db.write(lambda c: c.execute(update(lanes).values(segments_per_second=1_000_000.0)))
            started = now()
            asyncio.run(_feed(world, count))
            seconds = now() - started
            world.check()
        finally:
            db.close()
    return {"messages": count, "complete_messages_per_second": count / seconds}


async def _feed(world: World, count: int) -> None:
    sent: asyncio.Queue[list[Arrival] | None] = asyncio.Queue(maxsize=50)

    async def submit() -> None:
        db, ledger = world.db, world.ledger
        waiting: list[Arrival] = []
        while lease := await db.awrite(ledger.claim, world.lane, [world.run], "bench", 60.0):
            outcomes: list[Outcome] = []
            for start in range(0, len(lease.items), 100):
                half = lease.items[start : start + 100]
                await db.awrite(
                    ledger.record, world.lane, lease, outcomes, Intention(half[-1].seq, len(half)), 60.0
                )
                outcomes = [Outcome(item, Accepted((f"r{item.seq}",))) for item in half]
                waiting += [Arrival(world.lane, _receipt(f"r{item.seq}", item.phone)) for item in half]
            await db.awrite(ledger.record, world.lane, lease, outcomes, None, 60.0)
            await db.awrite(ledger.release, lease, 0.0)
            for start in range(0, len(waiting), _GROUP):
                await sent.put(waiting[start : start + _GROUP])
            waiting = []
        await sent.put(None)

    async def receive() -> None:
        while (group := await sent.get()) is not None:
            await world.db.awrite(world.ledger.apply, group)

    await asyncio.gather(submit(), receive())


def _receipt(reference: str, phone: int) -> Receipt:
    raw = f"id:{reference} sub:001 dlvrd:001 submit date:2402090700 done date:2402090701 stat:DELIVRD err:000"
    return Receipt(reference, str(phone), ReceiptStatus.DELIVERED, ReceiptLevel.HANDSET, raw=raw)


if __name__ == "__main__":
    import sys

    engine, n = sys.argv[1], int(sys.argv[2])
    print(complete(engine, n))
    print(database_alone(engine, n))

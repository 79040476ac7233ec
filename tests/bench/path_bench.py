"""The whole path of a message, from submit to tallied receipt, beside the database alone in the same run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from sqlalchemy import Connection, NullPool, create_engine, text, update

from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import batches, links, runs
from app.ledger.contract import Arrival, ChunkLease, DeliveryToSend, Reservation, SubmitOutcome
from carriers.contract import Accepted, Receipt, ReceiptLevel, ReceiptStatus
from carriers.simulators.smsc.behaviour import Ids
from tests.app.world import FIRST_PHONE, World, build
from tests.bench.machinery import (
    RECEIPT_FLAGS,
    Simulator,
    analyze,
    cpu_of,
    fresh_home,
    fresh_url,
    log_bytes,
    now,
    server_cpu_s,
    simulator,
)
from tests.bench.report_bench import made
from tests.drill.ledger_probe import LedgerProbe
from tests.faults.processes import Home, smpp_link

WINDOW = 100
GROUP = 200  # receipts in one commit
_HALF = 100  # results in one commit
_CHUNK = 1000
_STUCK_S = 60.0
_LOOK_S = 0.1  # and a second for each million: the server works for each look as well
_START_S = 30.0
_LEASE_S = 60.0
_IDS = Ids(1)
_NO_LIMIT = 1_000_000.0  # segments/s: a pace that nobody feels


def path(engine: str, count: int) -> dict[str, float]:
    """Messages/s of the complete path and of the database alone, and CPU seconds per 1,000 by process."""
    return complete(engine, count) | {"database_alone_messages_per_second": _database_alone(engine, count)}


# ---- the complete path ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Spent:
    """So far: CPU seconds of Loa's processes, of the simulator and of the PostgreSQL server; bytes of log."""

    loa: float
    simulator: float
    server: float
    log: int

    @classmethod
    def read(cls, home: Home, smsc: Simulator) -> _Spent:
        loa = sum(cpu_of(program.process.pid) for program in home.programs)
        return cls(loa, smsc.cpu_s(), server_cpu_s(), log_bytes(home))


def complete(
    engine: str,
    count: int,
    workers: int = 1,
    beside: Callable[[str], AbstractContextManager[None]] = nullcontext,
) -> dict[str, float]:
    """Send to the simulator until every receipt is committed, then recount.

    workers: `loa worker` processes on one link. SQLite serves one process, which is `loa up` with its API.
    beside: what goes on at the database of this URL meanwhile.
    """
    with fresh_home(engine) as home, simulator(*RECEIPT_FLAGS) as smsc:
        db = Database(home.url)
        world = queued(db, count)
        db.write(lambda c: c.execute(update(runs).values(state=RunState.PLANNED.value)))
        db.close()
        link = smpp_link("viettel", smsc.port, segments_per_second=_NO_LIMIT, window=WINDOW)
        home.configure({"viettel-1": link}, receipts_group=GROUP, chunk_size=_CHUNK)
        for _ in range(workers):
            home.sender()
        _bound(home)
        with beside(home.url):
            before = _Spent.read(home, smsc)
            seconds = _until_delivered(home, count)
            after = _Spent.read(home, smsc)
        if sum(asyncio.run(program.stop()) for program in home.programs):
            raise SystemExit(f"A sender ended badly: {home.programs[-1].words()}")
        _check(world, home.url)
        seen = smsc.stop()
    if seen["distinct_numbers"] != count or seen["copies_max"] != 1:
        raise SystemExit(f"The simulator saw {seen['distinct_numbers']} numbers of {count}.")
    return {"complete_messages_per_second": count / seconds} | _costs(engine, before, after, count)


def _costs(engine: str, before: _Spent, after: _Spent, count: int) -> dict[str, float]:
    """CPU seconds for 1,000 messages, and bytes for one."""
    thousands, log = count / 1000, (after.log - before.log) / count
    figures = {
        "loa_cpu_s_per_1000": (after.loa - before.loa) / thousands,
        "simulator_cpu_s_per_1000": (after.simulator - before.simulator) / thousands,
    }
    if engine == "postgresql":
        figures["server_cpu_s_per_1000"] = (after.server - before.server) / thousands
        return figures | {"wal_bytes_per_message": log}
    return figures | {"written_bytes_per_message": log}


def queued(db: Database, count: int) -> World:
    """A running campaign whose deliveries are all queued."""
    world = filled(db, count)
    world.fan_out()
    analyze(db)
    return world


def filled(db: Database, count: int) -> World:
    """A running campaign with so many subscribers, of whom none is queued."""
    world = build(db, 1, chunk=_CHUNK)
    db.write(_more, count)
    return world


def _more(connection: Connection, count: int) -> None:
    """The batch's other subscribers, by the database itself."""
    area = "CASE i % 3 WHEN 0 THEN '03646' WHEN 1 THEN '03664' END"
    columns = {"batch_id": "1", "seq": "i + 2", "phone": f"{FIRST_PHONE} + i", "area": area}
    sql = made(connection.dialect.name == "sqlite", "subscribers", columns)
    if count > 1:
        connection.execute(text(sql), {"n": count - 1})
    connection.execute(update(batches).values(lines=count, accepted=count))


def _bound(home: Home) -> None:
    """Wait until every sender has its bind."""
    ends = now() + _START_S
    while not all("bind is up" in program.words() for program in home.programs):
        if now() > ends or not home.programs[-1].alive():
            raise SystemExit(f"A sender does not start: {home.programs[-1].words()}")
        time.sleep(_LOOK_S)


def _until_delivered(home: Home, count: int) -> float:
    """Start the run; seconds from the first claim until all receipts are seen committed (late by a look)."""
    look, pause = LedgerProbe(home.url), max(_LOOK_S, count / 1_000_000)
    _start(home.url)
    changed = now()
    while not (look.leases() or look.delivered()) and now() - changed < _STUCK_S:
        time.sleep(0.005)
    started = changed = now()
    delivered = 0
    while delivered < count:
        time.sleep(pause)
        last, delivered = delivered, look.delivered()
        changed = now() if delivered != last else changed
        if now() - changed > _STUCK_S:
            raise SystemExit(f"The path stopped at {delivered} messages: {home.programs[-1].words()}")
    return now() - started


def _start(url: str) -> None:
    """As the order to start does, beside the processes that work on the database."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(update(runs).values(state=RunState.RUNNING.value))
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("NOTIFY loa")


def _check(world: World, url: str) -> None:
    """The tallies are those of the rows."""
    world.db = Database(url)
    try:
        world.check()
    finally:
        world.db.close()


# ---- the database alone -----------------------------------------------------------------------------------


def _database_alone(engine: str, count: int) -> float:
    """Messages/s of the same record, receipt and tally statements, fed from memory by two tasks."""
    with fresh_url(engine) as url:
        db = Database(url)
        try:
            world = queued(db, count)
            db.write(lambda c: c.execute(update(links).values(segments_per_second=_NO_LIMIT)))
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
    """What a link does with a carrier that answers at once."""
    db, ledger = world.db, world.ledger
    while lease := await db.awrite(ledger.claim, world.link, [world.run], "bench", _LEASE_S):
        outcomes: list[SubmitOutcome] = []
        for start in range(0, len(lease.items), _HALF):
            half = lease.items[start : start + _HALF]
            intention = Reservation(half[-1].seq, len(half))
            await db.awrite(ledger.record, world.link, lease, outcomes, intention, _LEASE_S)
            outcomes = [SubmitOutcome(item, Accepted((_reference(lease, item),))) for item in half]
        await db.awrite(ledger.record, world.link, lease, outcomes, None, _LEASE_S)
        await db.awrite(ledger.release, lease, 0.0)
        for start in range(0, len(lease.items), GROUP):
            some = lease.items[start : start + GROUP]
            await reported.put([Arrival(world.link, _receipt(lease, item)) for item in some])
    await reported.put(None)


async def _receive(world: World, reported: asyncio.Queue[list[Arrival] | None]) -> None:
    """What the inbox does, one group after the other."""
    while (group := await reported.get()) is not None:
        await world.db.awrite(world.ledger.apply, group)


def _reference(lease: ChunkLease, item: DeliveryToSend) -> str:
    """An id of no order, as the simulator gives them: the index likes those that count up better."""
    return _IDS.answer(lease.batch_id * 10_000_000 + item.seq).decode()


def _receipt(lease: ChunkLease, item: DeliveryToSend) -> Receipt:
    reference = _reference(lease, item)
    raw = f"id:{reference} sub:001 dlvrd:001 submit date:2402090700 done date:2402090701 stat:DELIVRD err:000"
    return Receipt(reference, str(item.phone), ReceiptStatus.DELIVERED, ReceiptLevel.HANDSET, raw=raw)

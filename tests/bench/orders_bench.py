"""Orders over many rows: unknown messages sent again beside other traffic, and a large run cancelled.

On SQLite all is one process, as in `loa up`; on PostgreSQL the order is given in a process of its own, as in
`loa serve`. Between its slices the order is held again and again, so that the traffic is measured alone and
beside it in turns.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection, insert, select, text, update

from app.core.states import NotSent, RunState
from app.database.connection import Database
from app.database.models import batches, campaigns, links, run_batches, runs
from app.dispatch import run_sweeps, unknown_decisions
from app.ledger.contract import Arrival, ChunkLease, DeliveryToSend, Link
from app.ledger.ledger import ledger_for
from tests.app.world import World, accepted, approve, aside, build, receipt
from tests.bench.machinery import analyze, fresh_url, now, server_cpu_s
from tests.bench.report_bench import made

_CHUNK, _GROUP, _HALF = 1000, 200, 100  # messages; receipts, and results, in one commit
_GROUPS = 20  # of each in one stretch of traffic
_FIRST = 84_970_000_000
_LONG_S = 600.0


def orders(engine: str, decided: int, cancelled: int, rounds: int) -> dict[str, float]:
    """How long the longest transactions of the two orders took, and what they left of others' rates."""
    with fresh_url(engine) as url:
        found = _resend(engine, url, decided, rounds)
    with fresh_url(engine) as url:
        return found | _cancel(url, cancelled)


# ---- transactions that are timed ---------------------------------------------------------------------------


@dataclass(slots=True)
class Timed:
    """A database whose writes are timed, from their first statement to the end of the commit."""

    db: Database
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.db, name)

    def write(self, work: Callable[..., Any], *args: Any) -> Any:
        """As the database does it."""
        began: list[float] = []

        def timed(connection: Connection) -> Any:
            began[:] = [time.perf_counter(), time.thread_time()]
            try:
                return work(connection, *args)
            finally:
                self.cpu_ms.append((time.thread_time() - began[1]) * 1000)

        result = self.db.write(timed)
        self.wall_ms.append((time.perf_counter() - began[0]) * 1000)
        return result

    async def write_with_retry(self, work: Callable[..., Any], *args: Any) -> Any:
        """The same, from the event loop."""
        return await asyncio.to_thread(self.write, work, *args)

    def longest(self) -> dict[str, float]:
        """The longest of them."""
        return {"longest_ms": max(self.wall_ms), "longest_cpu_ms": max(self.cpu_ms)}


# ---- sent again, beside traffic ----------------------------------------------------------------------------


def _resend(engine: str, url: str, decided: int, rounds: int) -> dict[str, float]:
    db = Database(url)
    try:
        stretches = 2 * rounds + 1
        lost = build(db, 1, chunk=_CHUNK)
        db.write(_more, lost.batch, decided)
        lost.fan_out()
        while db.write(lost.ledger.mark_waiting_unknown, lost.run, lost.link.id, 20).left:
            pass
        db.write(lambda c: c.execute(update(runs).values(state=RunState.SENT.value)))
        traffic = Traffic.prepare(lost, stretches)
        analyze(db)
        traffic.stretch()
        with (_here if engine == "sqlite" else _apart)(db, lost) as order:
            return _in_turns(traffic, order, rounds) | order.figures()
    finally:
        db.close()


def _in_turns(traffic: Traffic, order: Order, rounds: int) -> dict[str, float]:
    alone, beside = [0.0, 0.0], [0.0, 0.0]
    for _ in range(rounds):
        order.hold()
        for times, go in ((alone, False), (beside, True)):
            if go:
                order.go_on()
            for kind, took in enumerate(traffic.stretch()):
                times[kind] += took
        if order.is_over():
            raise SystemExit("The order was over before its time: give it more messages.")
    order.go_on()
    shares = zip(("receipts", "results"), alone, beside, strict=True)
    return {f"{name}_beside": took / longer for name, took, longer in shares}


@dataclass(slots=True)
class Traffic:
    """Another link, of another campaign: messages that wait for receipts, and such as are being sent."""

    world: World
    sent: list[DeliveryToSend]
    lease: ChunkLease
    items: list[DeliveryToSend]

    @classmethod
    def prepare(cls, beside: World, stretches: int) -> Traffic:
        """A second campaign at a carrier of its own, with enough for so many stretches."""
        db, receipts, results = beside.db, stretches * _GROUPS * _GROUP, stretches * _GROUPS * _HALF
        world = db.write(_another, beside, receipts)
        world.fan_out()
        sent: list[DeliveryToSend] = []
        while lease := world.claim():
            db.write(world.ledger.record, world.link, lease, accepted(list(lease.items)), None, _LONG_S)
            db.write(world.ledger.release, lease, 0.0)
            sent += lease.items
        world.ledger = ledger_for(db, results)  # what is being sent is one chunk
        more = db.write(_another, world, results)
        more.ledger = world.ledger
        more.fan_out(results)
        lease = more.claim(lease_s=_LONG_S)
        if lease is None:
            raise SystemExit("There is nothing to send.")
        return cls(world, sent, lease, list(lease.items))

    def stretch(self) -> tuple[float, float]:
        """Seconds for some groups of receipts, and for as many of results."""
        receipts = results = 0.0
        for _ in range(_GROUPS):
            some, self.sent = self.sent[:_GROUP], self.sent[_GROUP:]
            began = now()
            arrivals: list[Arrival] = [
                receipt(self.world.link, f"m{each.seq}", phone=each.phone) for each in some
            ]
            applied = self.world.db.write(self.world.ledger.apply, arrivals)
            receipts, began = receipts + now() - began, now()
            half, self.items = self.items[:_HALF], self.items[_HALF:]
            link, lease = self.link, self.lease
            self.world.db.write(self.world.ledger.record, link, lease, accepted(half, "n"), None, _LONG_S)
            results += now() - began
            if applied.changed != _GROUP or len(half) != _HALF:
                raise SystemExit("Not every receipt moved its message.")
        return receipts, results

    @property
    def link(self) -> Link:
        """The link of what is being sent."""
        return Link(self.world.link.id + 1, "third-1", "viettel", self.world.link.id + 1)


def _another(connection: Connection, beside: World, count: int) -> World:
    """One more campaign, run, batch and link, like those of `beside`."""

    def copy(table: Any, number: int, **other: object) -> int:
        row = dict(connection.execute(select(table).where(table.c.id == number)).one()._mapping)
        del row["id"]
        return int(connection.execute(insert(table).values(row | other)).inserted_primary_key[0])

    campaign = copy(campaigns, beside.campaign)
    running = RunState.RUNNING.value
    run = copy(runs, beside.run, campaign_id=campaign, state=running)
    batch = copy(batches, beside.batch, sha256=f"another {campaign}", lines=count, accepted=count)
    link = copy(links, beside.link.id, name=f"another-{campaign}", group_id=beside.link.group_id + 1)
    own = {"campaign_id": campaign, "batch_id": batch, "run_id": run}
    connection.execute(insert(run_batches).values(own))
    approve(connection, campaign)
    _more(connection, batch, count, first=0)
    made_link = Link(link, f"another-{campaign}", "viettel", link)
    return World(beside.db, ledger_for(beside.db, _CHUNK), campaign, run, batch, made_link)


def _more(connection: Connection, batch: int, count: int, first: int = 1) -> None:
    """Subscribers of a batch, made by the database itself; the first one is there where `first` is 1."""
    area = "CASE i % 3 WHEN 0 THEN '03646' WHEN 1 THEN '03664' END"
    columns = {"batch_id": str(batch), "seq": f"i + {first + 1}", "phone": f"{_FIRST} + i", "area": area}
    if count > first:
        sql = made(connection.dialect.name == "sqlite", "subscribers", columns)
        connection.execute(text(sql), {"n": count - first})
    connection.execute(update(batches).where(batches.c.id == batch).values(lines=count, accepted=count))


# ---- the order, here or in a process of its own ------------------------------------------------------------


class Order:
    """All unknown messages of a run sent again, held and let go between two slices."""

    def hold(self) -> None:
        """Return once it is between two slices, and stays there."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Let it go on."""
        raise NotImplementedError

    def is_over(self) -> bool:
        """Whether it has ended."""
        raise NotImplementedError

    def figures(self) -> dict[str, float]:
        """Its transactions, once it is over."""
        raise NotImplementedError


class _Here(Order):
    """In a thread of this process."""

    def __init__(self, db: Database, lost: World) -> None:
        self._timed, self._lost = Timed(db), lost
        self._asked, self._held, self._goes = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        order = unknown_decisions.UnknownOrder(self._lost.run, "bench")
        unknown_decisions.resend(cast(Database, self._timed), self._lost.ledger, order, self._say)

    def _say(self, *_: int) -> None:
        if self._asked.is_set():
            self._held.set()
            self._goes.wait()

    def hold(self) -> None:
        self._goes.clear()
        self._held.clear()
        self._asked.set()
        while not self._held.wait(0.1) and self._thread.is_alive():
            pass

    def go_on(self) -> None:
        self._asked.clear()
        self._goes.set()

    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def figures(self) -> dict[str, float]:
        self._thread.join()
        return {f"resend_{name}": each for name, each in self._timed.longest().items()}


@contextmanager
def _here(db: Database, lost: World) -> Iterator[Order]:
    order = _Here(db, lost)
    try:
        yield order
    finally:
        order.go_on()


class _Apart(Order):
    """In a process, told by lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def _tell(self, word: str) -> list[str]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().split()

    def hold(self) -> None:
        self._tell("hold")

    def go_on(self) -> None:
        self._tell("go")

    def is_over(self) -> bool:
        return self._tell("over") == ["yes"]

    def figures(self) -> dict[str, float]:
        pairs = self._tell("figures")
        return {name: float(value) for name, value in zip(pairs[::2], pairs[1::2], strict=True)}


@contextmanager
def _apart(db: Database, lost: World) -> Iterator[Order]:
    url = db.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.bench.orders_bench", url, str(lost.run)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield _Apart(process)
        finally:
            assert process.stdin
            process.stdin.close()


def main(url: str, run: int) -> None:
    """The process of its own: does what the lines say until there are no more."""
    db = Database(url)
    lost = World(db, ledger_for(db, _CHUNK), 0, run, 0, Link(0, "", "", 0))
    with _here(db, lost) as order:
        for line in sys.stdin:
            said = "done"
            match line.strip():
                case "hold":
                    order.hold()
                case "go":
                    order.go_on()
                case "over":
                    said = "yes" if order.is_over() else "no"
                case "figures":
                    said = " ".join(f"{name} {value}" for name, value in order.figures().items())
            print(said, flush=True)
    db.close()


# ---- cancelled ---------------------------------------------------------------------------------------------


def _cancel(url: str, count: int) -> dict[str, float]:
    db = Database(url)
    try:
        world = build(db, 1, chunk=_CHUNK)
        db.write(_more, world.batch, count)
        world.fan_out()
        analyze(db)
        closed = {"state": RunState.CANCELLING.value, "closing": int(NotSent.CANCELLED)}
        db.write(lambda c: c.execute(update(runs).values(closed)))
        timed, began, cpu = Timed(db), now(), _cpu_s()
        asyncio.run(_close(timed, world))
        found = {"cancel_s": now() - began, "cancel_cpu_s": _cpu_s() - cpu}
        return found | {f"cancel_{name}": each for name, each in timed.longest().items()}
    finally:
        db.close()


def _cpu_s() -> float:
    """Processor time of this process and of the server so far."""
    return time.process_time() + server_cpu_s()


async def _close(timed: Timed, world: World) -> None:
    """As a worker does it: again at once while there is more, else after its second."""
    while await run_sweeps.close_due(cast(Database, timed), world.ledger, aside(timed.db)):
        pass
    state = timed.db.read(lambda c: c.execute(select(runs.c.state)).scalar_one())
    if state != RunState.CANCELLED:
        raise SystemExit(f"The run is {state} where there is nothing more to close.")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

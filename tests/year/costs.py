"""What a message, a receipt and each sweep cost, in processor time of all processes that serve them.

The same work takes a processor up to twice as long while others use it too. So beside each measurement a work
that never changes is done, and what is compared is how many times as much the other took. What the processes
spend in each second while nothing comes is a figure of its own, and is taken off the others.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, literal, select

from app.api import idempotency_store
from app.core import clock
from app.core.clock import DAY_MS
from app.core.states import RunState
from app.database.connection import Database
from app.dispatch import run_content, run_sweeps
from app.dispatch import run_sweeps as runs_of
from app.ledger.ledger import ledger_for
from app.privacy import certificates
from app.privacy.certificates import EraserIdentity
from app.privacy.erasable import RetentionTerms
from tests.faults.server import Server
from tests.year.checks import MONTHS, RECEIPT_DAYS
from tests.year.life import FINISHED, Year, processor_s

_TIMES = 3  # the least of so many campaigns is what one costs
_CALLS, _SERIES = 20, 15
_IDLE_S = 3.0
_ALIKE = 300  # questions that the unchanging work consists of
# Of no table, since a table's rows are written meanwhile.
_QUESTION = select(*(literal(number) for number in range(10)))
_TICKS = os.sysconf("SC_CLK_TCK")


def server_s(server: Server | None) -> float:
    """Of all processes of a PostgreSQL server; of those that ended, to a tick."""
    if server is None:
        return 0.0
    first, total = server.pid, 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if first in (int(folder.name), int(fields[1])):
                total += processor_s(int(folder.name))
            if int(folder.name) == first:
                total += (int(fields[13]) + int(fields[14])) / _TICKS
        except OSError:
            continue
    return total


def backends(server: Server | None) -> dict[int, float]:
    """Processor time of each process of a PostgreSQL server that serves a connection, by its id."""
    if server is None:
        return {}
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    found = {}
    for pid in map(int, children):
        try:
            if b"127.0.0.1(" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found[pid] = processor_s(pid)
        except OSError:
            continue
    return found


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Processor time of this process and of the backends that serve it, from a moment on.

    A process that ended in between is left out: what it took is known to a tick of 10 ms only, which is as
    much as twenty calls of a sweep take. So are the autovacuum and the like, that come and go by themselves.
    """

    server: Server | None
    own: float
    served: dict[int, float]

    @classmethod
    def start(cls, server: Server | None) -> Stopwatch:
        served = backends(server)
        return cls(server, time.process_time(), served)

    def seconds(self) -> float:
        own = time.process_time() - self.own
        return own + sum(now - self.served.get(pid, 0.0) for pid, now in backends(self.server).items())


@dataclass(slots=True)
class Costs:
    """Figures by round, in microseconds of processor time for each message, receipt, or call of a sweep."""

    year: Year
    server: Server | None = None
    by_round: dict[int, dict[str, float]] = field(default_factory=dict)
    in_units: dict[int, dict[str, float]] = field(default_factory=dict)  # the same, of the unchanging work

    def _spent(self) -> float:
        return sum(processor_s(each.process.pid) for each in self.year.running) + server_s(self.server)

    def _unit(self, engine: Engine) -> float:
        """Seconds of processor time that the unchanging work takes at this moment."""
        with engine.connect() as connection:
            connection.execute(_QUESTION).all()
            watch = Stopwatch.start(self.server)
            for _ in range(_ALIKE):
                connection.execute(_QUESTION).all()
            return watch.seconds()

    def measures(self, number: int) -> bool:
        """Whether the plan has this round measured: the first and the last."""
        return self.year.plan.measured > 0 and number in (1, self.year.plan.rounds)

    async def measure(self, number: int) -> None:
        """Send campaigns and take their receipts; none is repeated, or speaks of a message of nobody's."""
        centre = self.year.carriers.vnpt
        usual = centre.behaviour
        centre.change(foreign=0.0, twice=0.0)
        engine = create_engine(self.year.home.url, poolclass=NullPool)
        own = self.by_round.setdefault(number, {})
        idle = await self._idle(engine)
        found = [await self._campaign(self.year.plan.measured, engine, idle[0]) for _ in range(_TIMES)]
        centre.behaviour = usual
        own |= {"idle second": idle[0] * 1e6}
        least = {name: min(each[name] for each in found) for name in found[0]}
        own |= {name: least[name] * 1e6 for name in ("message", "receipt")}
        units = self.in_units.setdefault(number, {})
        units |= {"idle second": idle[1]}
        units |= {name: least[name] / least["unit"] for name in ("message", "receipt")}

    async def _idle(self, engine: Engine) -> tuple[float, float]:
        """What a second without work takes: in seconds, and as a multiple of the unchanging work."""
        found = []
        for _ in range(_TIMES):
            began, at = self._spent(), time.monotonic()
            await asyncio.sleep(_IDLE_S)
            each = (self._spent() - began) / (time.monotonic() - at)
            found.append((each, each / self._unit(engine)))
        return sorted(found)[_TIMES // 2]

    async def _campaign(self, size: int, engine: Engine, idle: float) -> dict[str, float]:
        """Of a message, of a receipt, and of the unit: the receipts come once all is sent and recorded."""
        year, centre = self.year, self.year.carriers.vnpt
        kept = centre.keep_back()
        run = (await year.campaign({"vnpt": size}))["vnpt"]
        began = self._spent() - idle * time.monotonic()
        await year.act(run, "start", FINISHED)
        await year.until(lambda: len(kept) == size, "the measured messages are taken")
        await year.until(lambda: year.run_states()[run] == RunState.SENT.value, "they are recorded")
        sent, unit = self._spent() - idle * time.monotonic(), self._unit(engine)
        again = self._spent() - idle * time.monotonic()
        centre.keep_back_no_more()
        centre.conclude(kept)
        await year.until(lambda: year.carriers.outstanding() == 0, "their receipts are acknowledged")
        await year.until(lambda: year.run_states()[run] == FINISHED, "the measured run is finished")
        over = self._spent() - idle * time.monotonic()
        return {"message": (sent - began) / size, "receipt": (over - again) / size, "unit": unit}

    def note_sweeps(self, number: int) -> None:
        """What each sweep costs where there is nothing to do, with nobody at work."""
        if not self.measures(number):
            return
        db, engine = Database(self.year.home.url), create_engine(self.year.home.url, poolclass=NullPool)
        try:
            for name, work in _sweeps(db, self.year.plan.retention_days).items():
                found = [(self._call(work), self._unit(engine)) for _ in range(_SERIES)]
                least, unit = min(each[0] for each in found), min(each[1] for each in found)
                self.by_round.setdefault(number, {})[f"sweep: {name}"] = least * 1e6
                self.in_units.setdefault(number, {})[f"sweep: {name}"] = least / unit
        finally:
            db.close()

    def _call(self, work: Callable[[], object]) -> float:
        watch = Stopwatch.start(self.server)
        for _ in range(_CALLS):
            work()
        return watch.seconds() / _CALLS

    def ratios(self) -> dict[str, float]:
        """The last measured round beside the first."""
        if len(self.in_units) < 2:
            return {}
        first, last = self.in_units[min(self.in_units)], self.in_units[max(self.in_units)]
        return {name: round(last[name] / first[name], 2) for name in first if name in last and first[name]}


def _sweeps(db: Database, retention_days: int) -> dict[str, Callable[[], Any]]:
    """What a worker asks, each second or so, where nothing has come."""
    ledger, patience = ledger_for(db), RECEIPT_DAYS * DAY_MS
    hand = EraserIdentity("year", "retention", 60_000, RetentionTerms(retention_days, MONTHS))
    return {
        "queueing": lambda: db.read(runs_of.next_due),
        "closing": lambda: db.read(run_sweeps.to_close, ledger),
        "runs": lambda: db.read(runs_of.due_steps, ledger, patience),
        "quarantine": lambda: db.write(ledger.rematch, 500),
        "tallies": lambda: db.read(ledger.to_fold),
        "answers": lambda: db.write(idempotency_store.sweep, DAY_MS),
        "sending": lambda: db.read(run_content.run_contents, "vnpt", clock.now()),
        "retention": lambda: db.read(certificates.waiting, hand),
    }

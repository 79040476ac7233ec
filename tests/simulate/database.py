"""The database of a simulated program: SQLite in truth, whose work takes time and may fail."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import event

from app.database.connection import Database
from tests.simulate.power import Power

_ERRORS = {
    "full": sqlite3.SQLITE_FULL,
    "input or output": sqlite3.SQLITE_IOERR,
    "locked": sqlite3.SQLITE_BUSY,
}


@dataclass(slots=True)
class Disk:
    """What a transaction costs, and how it fails; shared by all programs of a simulation."""

    chance: random.Random
    takes_s: tuple[float, float] = (0.0005, 0.01)
    failing: float = 0.0  # share of transactions
    error: str = "full"
    power: Power | None = None
    without_power: Callable[[], None] = lambda: None  # called once the power has failed

    def seconds(self) -> float:
        return self.chance.uniform(*self.takes_s) / 2

    def fault(self) -> sqlite3.OperationalError | None:
        if not self.failing or self.chance.random() >= self.failing:
            return None
        error = sqlite3.OperationalError(f"the disk fails: {self.error}")
        error.sqlite_errorcode = _ERRORS[self.error]
        return error


class SimulatedDatabase(Database):
    """The database as one program has it. Each piece of work is one step of the loop, after a while.

    A program that is killed in the meantime leaves a commit without anybody who hears of it, or none.
    """

    def __init__(self, whole: Database, disk: Disk) -> None:
        for name, value in vars(whole).items():
            setattr(self, name, value)
        self.is_alone = False
        self._wakers, self.is_lost, self._stop_order = [], {}, None
        self.unavailable, self._repeating, self._is_given_up = False, 0, False
        self._disk = disk
        self._free_at = 0.0

    def write(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            with self._transaction(writing=True) as connection:
                done = work(connection, *args, **kwargs)
                fault = self._disk.fault()
                if fault is not None:
                    raise fault
            return done
        finally:
            power = self._disk.power
            if power is not None and power.has_failed:
                self._disk.without_power()

    async def awrite(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self._later(partial(self.write, work, *args, **kwargs), writing=True)

    _patient_write = awrite

    async def aread(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self._later(partial(self.read, work, *args, **kwargs), writing=False)

    def _later(self, job: Callable[[], Any], *, writing: bool) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        at = loop.time() + self._disk.seconds()
        if writing:  # one thread writes
            at = self._free_at = max(at, self._free_at + 1e-6)
        loop.call_at(at, self._run, job, future)
        return future

    def _run(self, job: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        done: Any = None
        error: Exception | None = None
        try:
            done = job()
        except Exception as found:
            error = found
        # A program that has just lost its power hears nothing of it: it is killed.
        asyncio.get_running_loop().call_later(self._disk.seconds(), _tell, future, done, error)


def _tell(future: asyncio.Future[Any], done: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(done)
    else:
        future.set_exception(error)


def connect_here(whole: Database, power: Power | None, pragmas: Sequence[str]) -> None:
    """Have connections open the ledger of the folder of this simulation, and give them these pragmas.

    Without a power that fails SQLite syncs nothing: a simulated kill ends a program, not the machine.
    """

    @event.listens_for(whole.engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> sqlite3.Connection:
        return sqlite3.connect(os.path.abspath(power.file if power else "ledger.db"), **options)

    @event.listens_for(whole.engine, "connect")
    def _connected(raw: Any, _: Any) -> None:
        raw.execute("PRAGMA wal_autocheckpoint=20" if power else "PRAGMA synchronous=OFF")
        raw.execute("PRAGMA cache_size=-2000")
        for pragma in pragmas:
            raw.execute(f"PRAGMA {pragma}")

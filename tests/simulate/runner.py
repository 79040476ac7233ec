"""Run simulations, each in a fork of a process that has loaded and warmed up everything."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import pickle
import random
import selectors
import shutil
import signal
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from app.database.connection import Database
from tests.simulate import promises, start, world
from tests.simulate.database import connect_here
from tests.simulate.network import Network
from tests.simulate.power import Power, build
from tests.simulate.script import Script, script_of, shortest
from tests.simulate.virtual_loop import Stalled, VirtualLoop, WallClock, no_chance, simulated_time

EVENING_S = 21 * 3600 - 3.0  # three seconds before the sending hours end
_LONGEST_S = 30  # of processor time, for one simulation; twenty times as much of real time


@dataclass(frozen=True, slots=True)
class Found:
    """What one simulation showed; `broken`: sentences, none if every promise held."""

    seed: int
    broken: tuple[str, ...]
    virtual_s: float = 0.0
    parts: int = 0
    unknown: int = 0
    fingerprint: str = ""
    kinds: tuple[str, ...] = ()
    power_failures: int = 0


@dataclass(slots=True)
class Runner:
    """Keeps the template of the ledger and a warm engine; children work in folders of their own.

    pragmas: settings of SQLite other than Loa's. at_rest: called with the world before the promises are
    looked at, to spoil it.
    """

    has_power_failures: bool = False
    pragmas: Sequence[str] = ()
    at_rest: Callable[[world.World], None] = lambda _: None
    _folder: Path = field(init=False)
    _whole: Database = field(init=False)
    _home: str = field(init=False)
    _power: Power | None = field(init=False)
    tally: Counter[str] = field(default_factory=Counter)
    fingerprint: int = 0  # of all that were tried, in whatever order

    def __enter__(self) -> Self:
        structlog.configure(processors=[_drop])
        memory = Path("/dev/shm")
        self._folder = Path(tempfile.mkdtemp(prefix="loa-simulate-", dir=memory if memory.is_dir() else None))
        start.prepare(self._folder / "template.db")
        self._home = os.getcwd()
        os.chdir(self._folder)
        self._whole = Database("sqlite:///ledger.db", beside=True)
        self._power = None
        if self.has_power_failures:
            self._power = Power(build(self._folder), self._whole)
        connect_here(self._whole, self._power, self.pragmas)
        shutil.copy("template.db", "ledger.db")
        self.simulate(Script(0, 1, ()), leave=True)  # fills the caches of statements, which children inherit
        self._whole.engine.dispose()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.chdir(self._home)
        shutil.rmtree(self._folder, ignore_errors=True)

    def script(self, seed: int) -> Script:
        return script_of(seed, power=self.has_power_failures)

    # ---- One simulation, in this process

    def simulate(self, script: Script, *, leave: bool = False) -> Found:
        """Simulate one script on ledger.db of this folder. leave: end all tasks in order, as no fork does."""
        network = Network(random.Random(f"network {script.seed}"))
        loop = VirtualLoop(network)
        network.loop = loop
        clock = WallClock(loop, EVENING_S if script.evening else 9 * 3600.0)
        chance = random.Random(f"world {script.seed}")
        own = world.World(script, loop, network, clock, self._whole, chance, power=self._power)
        with no_chance(script.seed), simulated_time(loop, clock):
            try:
                loop.run_until_complete(_live(own))
                self.at_rest(own)
                sentences = promises.broken(own)
            except (Stalled, world.Violated) as error:
                sentences = [*own.broken, str(error)]
            if leave:
                loop.run_until_complete(_left(loop))
                loop.close()
        unknown = self._whole.read(promises.unknown)
        told = repr((own.came, loop.now, sentences))
        kinds = tuple(each.kind for each in script.events)
        return Found(
            script.seed,
            tuple(sentences),
            loop.now,
            len(own.taken),
            unknown,
            hashlib.sha256(told.encode()).hexdigest()[:12],
            kinds,
            self._power.failures if self._power else 0,
        )

    # ---- In forks

    def try_one(self, script: Script) -> Found:
        return next(iter(self._tried([script], 1)))

    def try_all(self, seeds: Sequence[int], workers: int, *, until_first: bool = False) -> list[Found]:
        """Try these seeds in so many processes; return those that broke a promise."""
        bad: list[Found] = []
        for found in self._tried(map(self.script, seeds), workers):
            self._count(found)
            if found.broken:
                bad.append(found)
                if until_first:
                    break
        return sorted(bad, key=lambda each: each.seed)

    def shortest(self, seed: int) -> Script:
        return shortest(self.script(seed), lambda script: bool(self.try_one(script).broken))

    def _tried(self, scripts: Iterable[Script], workers: int) -> Iterator[Found]:
        """Yield what each script showed, as it ends: so many children at a time, one for each script."""
        waiting, children = iter(scripts), selectors.DefaultSelector()
        while True:
            for script in islice(waiting, workers - len(children.get_map())):
                reading, writing = os.pipe()
                child = os.fork()
                if child == 0:
                    self._child(script, writing)
                os.close(writing)
                children.register(reading, selectors.EVENT_READ, (child, script.seed, bytearray()))
            if not children.get_map():
                return
            for key, _ in children.select():
                child, seed, answer = key.data
                some = os.read(key.fd, 65_536)
                answer += some
                if not some:
                    children.unregister(key.fd)
                    os.close(key.fd)
                    _, status = os.waitpid(child, 0)
                    yield _read(answer, seed, status)

    def _child(self, script: Script, writing: int) -> None:
        signal.setitimer(signal.ITIMER_PROF, _LONGEST_S)
        signal.alarm(20 * _LONGEST_S)
        gc.disable()  # what is left of a killed program would run its `finally` when it is collected
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            os.chdir(folder)
            shutil.copy(self._folder / "template.db", "ledger.db")
            found = self.simulate(script)
        except BaseException:
            found = Found(script.seed, ("the simulation itself failed: " + traceback.format_exc(),))
        with os.fdopen(writing, "wb") as answer:
            answer.write(pickle.dumps(found))
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)

    def _count(self, found: Found) -> None:
        self.tally.update({"tried": 1, "parts": found.parts, "unknown": found.unknown})
        self.tally.update({"virtual_s": round(found.virtual_s), "power_failures": found.power_failures})
        self.tally.update(f"event: {kind}" for kind in found.kinds)
        own = int(hashlib.sha256(repr(found).encode()).hexdigest()[:12], 16)
        self.fingerprint = (self.fingerprint + own) % 16**12

    def figures(self) -> str:
        tally = self.tally
        hours = tally["virtual_s"] / 3600
        said = (
            f"{tally['parts']:,} parts, {tally['unknown']:,} unknown at the end, {hours:,.1f} virtual hours"
        )
        said += f", {tally['power_failures']:,} power failures" if self._power else ""
        return f"{said}, fingerprint {self.fingerprint:012x}"


async def _live(own: world.World) -> None:
    await own.begin()
    await own.play()
    await own.rest()


async def _left(loop: VirtualLoop) -> None:
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _read(answer: bytes, seed: int, status: int) -> Found:
    if not answer and os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM):
        return Found(seed, (f"the simulation took longer than {_LONGEST_S} s of processor time",))
    if not answer:
        return Found(seed, (f"the simulation ended with status {status}",))
    found = pickle.loads(answer)
    assert isinstance(found, Found)
    return found


def _drop(*_: object) -> dict[str, object]:
    raise structlog.DropEvent

"""Soak test: Loa under load for a given time, and whether memory or open files of its processes grow."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from app.core import clock
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.reports.verification.verify import examine
from tests.drill.context import CARRIER, DrillContext
from tests.drill.drill_setup import engine, running_loa, simulator
from tests.drill.plan import Engine
from tests.drill.processes import ProcessGroup, Stuck, comes_true
from tests.drill.run_drill import FIRST

_EVERY_S = 0.2
_WINDOWS = 12
_WARM_UP = 3  # windows; caches fill and pools open
_WAVES = 20  # campaigns; each window sees imports, starts and ends
_SHORTEST_WAVE_S, _LONGEST_WAVE_S = 4.0, 120.0
# Allowed growth. A leak of ten bytes per message is 100 MB over ten million messages.
_ROOM_MB = 8.0
_ROOM_FILES = 2.0
_PATIENCE_S = 120.0
Say = Callable[[str], None]


class ProcessSample(NamedTuple):
    """Private memory (without mapped files) and open files of a process."""

    memory_mb: float
    files: int


@dataclass(frozen=True, slots=True)
class GrowingProcess:
    """One process over the measured time: its floor at the start, and the rise of it."""

    name: str
    samples: int
    memory_mb: float
    memory_grown_mb: float
    files: float
    files_grown: float


@dataclass(frozen=True, slots=True)
class SoakResult:
    """The result; `objections` are the sentences that fail the soak."""

    seconds: float
    messages: int
    copies_max: int
    processes: tuple[GrowingProcess, ...]
    objections: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SoakPlan:
    """Duration, messages a second, database, and the parent of the folder."""

    minutes: float
    rate: float
    engine: Engine
    parent: Path


def rise(values: Sequence[float]) -> tuple[float, float]:
    """Return (floor at the start, rise), robust against spikes.

    Each window counts with its minimum; the rise is the median slope over all pairs of windows (Theil-Sen)
    times the span after the warm-up.
    """
    size = max(1, len(values) // _WINDOWS)
    floors = [min(values[at : at + size]) for at in range(0, size * _WINDOWS, size) if values[at : at + size]]
    floors = floors[_WARM_UP:] or floors[-1:]
    slopes = [(later[1] - one[1]) / (later[0] - one[0]) for one, later in combinations(enumerate(floors), 2)]
    return floors[0], statistics.median(slopes) * (len(floors) - 1) if slopes else 0.0


def look(pid: int) -> ProcessSample | None:
    """Sample a process; None if it has ended."""
    place = Path(f"/proc/{pid}")
    try:
        status = (place / "status").read_text("ascii")
        files = len(list((place / "fd").iterdir()))
    except OSError:
        return None
    own = next(line for line in status.splitlines() if line.startswith("RssAnon:"))
    return ProcessSample(int(own.split()[1]) / 1024, files)


@dataclass(slots=True)
class _Watch:
    """Samples every process periodically."""

    processes: ProcessGroup
    seen: dict[str, list[ProcessSample]] = field(default_factory=dict)

    async def run(self) -> None:
        while True:
            for process in self.processes.members:
                if found := look(process.pid):
                    self.seen.setdefault(f"loa {process.name}", []).append(found)
            await asyncio.sleep(_EVERY_S)

    def grown(self) -> tuple[GrowingProcess, ...]:
        return tuple(_grown(name, samples) for name, samples in self.seen.items())


def _grown(name: str, samples: Sequence[ProcessSample]) -> GrowingProcess:
    memory = rise([each.memory_mb for each in samples])
    files = rise([float(each.files) for each in samples])
    return GrowingProcess(name, len(samples), *memory, *files)


async def soak(order: SoakPlan, say: Say) -> SoakResult:
    """Send campaign after campaign until the time is over; nothing is left running."""
    folder = _folder(order.parent)
    with engine(order.engine, folder) as (url, cluster):
        async with running_loa(url, folder, cluster, simulator(1, 0), order.rate) as context:
            watch = _Watch(context.processes)
            watching = asyncio.create_task(watch.run())
            began = clock.monotonic()
            messages = await _send(context, order, say)
            watching.cancel()  # what follows is not load
            seconds = clock.monotonic() - began
            await _settle(context, messages, _PATIENCE_S + 2 * _wave_s(order))  # 1.5 campaigns are still open
            await context.processes.stop()
            found = await asyncio.to_thread(_conclude, context, watch, messages, seconds)
    if not found.objections:
        shutil.rmtree(folder)
    return found


def _folder(parent: Path) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="soak-", dir=parent)).resolve()


async def _send(context: DrillContext, order: SoakPlan, say: Say) -> int:
    """Send campaigns, each prepared while the one before is half sent; return the number of messages."""
    ends = clock.monotonic() + 60 * order.minutes
    size, messages, number = max(100, round(order.rate * _wave_s(order))), 0, 0
    while clock.monotonic() < ends:
        number += 1
        first = FIRST - 84_000_000_000 + messages
        content = "phone\n" + "".join(f"0{n}\n" for n in range(first, first + size))
        batch = await context.client.upload(f"soak-{number}.csv", content.encode(), CARRIER)
        await context.client.start(await context.client.approved(f"soak-{number}", batch["id"], CARRIER))
        messages += size
        await _half_sent(context, messages - size // 2, ends - clock.monotonic())
        _alive(context)
        say(f"{clock.monotonic() - ends + 60 * order.minutes:7.0f} s {context.smsc.taken():>12,} messages")
    return messages


def _wave_s(order: SoakPlan) -> float:
    return min(max(60 * order.minutes / _WAVES, _SHORTEST_WAVE_S), _LONGEST_WAVE_S)


async def _half_sent(context: DrillContext, many: int, seconds: float) -> None:
    """Wait until the carrier has so many messages, or the time is over."""
    await comes_true(lambda: context.smsc.taken() >= many, seconds)


def _alive(context: DrillContext) -> None:
    for process in context.processes.members:
        if not process.alive():
            raise Stuck(f"`loa {process.name}` has ended: {process.last_words()}")


async def _settle(context: DrillContext, messages: int, seconds: float) -> None:
    """Wait until all is sent and reported, or the time is over; the comparison reports the rest."""
    ends = clock.monotonic() + seconds
    while context.smsc.taken() < messages or await asyncio.to_thread(context.look.delivered) < messages:
        if clock.monotonic() > ends:
            return
        await asyncio.sleep(_EVERY_S)


def _conclude(context: DrillContext, watch: _Watch, messages: int, seconds: float) -> SoakResult:
    seen, processes = context.smsc.report(), watch.grown()
    objections = [sentence for each in processes for sentence in _too_much(each)]
    if (seen["distinct_numbers"], seen["copies_max"]) != (messages, 1):
        objections.append(
            f"Of {messages:,} numbers {seen['distinct_numbers']:,} were sent to, at most "
            f"{seen['copies_max']} times."
        )
    if left := messages - context.look.delivered():
        objections.append(f"{left:,} deliveries are not delivered in the ledger.")
    db = Database(context.look.url)
    try:
        objections += [difference.sentence for difference in examine(db, ledger_for(db)).differences]
    finally:
        db.close()
    return SoakResult(seconds, messages, int(seen["copies_max"]), processes, tuple(objections))


def _too_much(grown: GrowingProcess) -> list[str]:
    found = []
    if grown.memory_grown_mb > _ROOM_MB:
        found.append(
            f"{grown.name} grew by {grown.memory_grown_mb:.1f} MB, from {grown.memory_mb:.1f} MB on."
        )
    if grown.files_grown > _ROOM_FILES:
        found.append(f"{grown.name} has {grown.files_grown:.1f} more files open, from {grown.files:.0f} on.")
    return found

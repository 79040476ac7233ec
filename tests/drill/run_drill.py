"""Runs the drill: waves of messages, planned faults, settling, comparison."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.core import clock
from app.core.states import DeliveryState
from tests.drill import database_faults, process_faults
from tests.drill.context import CARRIER, Act, DrillContext, FaultOutcome
from tests.drill.drill_client import CLIENTS
from tests.drill.drill_setup import engine, running_loa, simulator
from tests.drill.plan import DrillOrder, DrillPlan, FaultKind, PlannedFault, make_plan
from tests.drill.processes import Stuck
from tests.drill.verdict import Done, DrillResult, conclude, misnamed

FIRST = 84_960_000_000
_PATIENCE_S = 120.0
_FAULT_S = 3.5  # approximate duration of a fault and its recovery
_ACTS: dict[FaultKind, Act] = {
    **dict.fromkeys(database_faults.BEHAVIOURS, database_faults.behave),
    FaultKind.BROKEN_BINDS: database_faults.broken,
    FaultKind.UNBIND: database_faults.unbound,
    FaultKind.KILL_SENDER: process_faults.sender,
    FaultKind.KILL_ON_WIRE: process_faults.on_wire,
    FaultKind.KILL_API_IMPORT: process_faults.api_import,
    FaultKind.KILL_API_ORDER: process_faults.api_order,
    FaultKind.TWO_WORKERS: process_faults.two_workers,
    FaultKind.FROZEN: process_faults.frozen,
    FaultKind.KILL_DATABASE: database_faults.stopped,
    FaultKind.DATABASE_AWAY: database_faults.away,
    FaultKind.SLOW_DISK: database_faults.slow,
    FaultKind.FULL_DISK: database_faults.full,
    FaultKind.CLOCK: database_faults.jump,
}
_AT_START = (FaultKind.UPLOAD_50, FaultKind.START_50, FaultKind.KILL_FAN_OUT)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What is drilled, messages a second, the carrier's port, and the parent of the folder."""

    order: DrillOrder
    rate: float = 0.0
    port: int = 0
    parent: Path = Path("build")

    @property
    def pace(self) -> float:
        """The link's rate: as given, or slow enough that traffic lasts as long as the faults."""
        return self.rate or min(4000.0, max(20.0, self.order.messages / (_FAULT_S * self.order.faults)))


async def drill(options: DrillOptions, say: Say) -> DrillResult:
    """Run the drill; nothing is left running, and the folder is deleted on success."""
    began, order = clock.monotonic(), options.order
    plan = make_plan(order)
    folder = _folder(options.parent)
    say(f"{order.messages:,} messages, {len(plan.events)} faults by seed {order.seed}; logs in {folder}")
    carrier = simulator(order.seed, options.port)
    with engine(order.engine, folder) as (url, cluster):
        async with running_loa(url, folder, cluster, carrier, options.pace) as context:
            done = await _Execution(context, plan, say).run()
            await _settle(context, done)
            await context.processes.stop()
            numbers = frozenset(range(FIRST, FIRST + order.messages))
            found = await asyncio.to_thread(conclude, context, numbers, done, clock.monotonic() - began)
    if not found.objections:
        shutil.rmtree(folder)
    return found


def _folder(parent: Path) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="drill-", dir=parent)).resolve()


@dataclass(slots=True)
class _Execution:
    """Runs waves and faults in the plan's order."""

    context: DrillContext
    plan: DrillPlan
    say: Say
    done: list[Done] = field(default_factory=list)

    async def run(self) -> tuple[Done, ...]:
        first = 0
        for number, size in enumerate(self.plan.waves, 1):
            own = [event for event in self.plan.events if first <= event.at < first + size]
            await self._begin(number, first, size, {event.fault: event for event in own if _starts(event)})
            for event in own:
                if not _starts(event):
                    await self._reach(event.at)
                    await self._do(event, _ACTS[event.fault](self.context, event))
            first += size
        return tuple(self.done)

    async def _begin(self, number: int, first: int, size: int, faults: dict[FaultKind, PlannedFault]) -> None:
        """Upload the wave's numbers, have its campaign approved, and start it."""
        client, name = self.context.client, f"wave-{number}"
        content = _numbers(first, size)
        batch: dict[str, Any] = {}

        async def upload(clients: int) -> FaultOutcome:
            batch.update(await client.upload(f"{name}.csv", content, CARRIER, clients))
            if batch["accepted"] != size:
                raise Stuck(f"Of {size} numbers {batch['accepted']} were imported.")
            return FaultOutcome()

        await self._perhaps(faults.get(FaultKind.UPLOAD_50), upload)
        run = await client.approved(name, batch["id"], CARRIER)
        kill = faults.get(FaultKind.KILL_FAN_OUT)

        async def start(clients: int) -> FaultOutcome:
            if kill is None:
                await client.start(run, clients)
            else:
                await self._do(kill, process_faults.fan_out(self.context, kill, client.start(run, clients)))
            return FaultOutcome()

        await self._perhaps(faults.get(FaultKind.START_50), start)

    async def _perhaps(
        self, event: PlannedFault | None, act: Callable[[int], Awaitable[FaultOutcome]]
    ) -> None:
        """Act from 50 clients if planned, else from one."""
        if event is None:
            await act(1)
        else:
            await self._do(event, act(CLIENTS))

    async def _do(self, event: PlannedFault, act: Awaitable[FaultOutcome]) -> None:
        first = self.context.smsc.taken()
        outcome = await act
        self.done.append(Done(event, outcome, first, self.context.smsc.taken()))
        self.say(_line(self.done[-1]))

    async def _reach(self, at: int) -> None:
        """Wait until the carrier has taken so many messages, or nothing is left to send."""
        while self.context.smsc.taken() < at:
            if await asyncio.to_thread(self.context.look.open) == 0:
                return
            await asyncio.sleep(0.1)


def _starts(event: PlannedFault) -> bool:
    return event.fault in _AT_START


def _numbers(first: int, size: int) -> bytes:
    begin = FIRST - 84_000_000_000 + first
    return ("phone\n" + "".join(f"0{n}\n" for n in range(begin, begin + size))).encode()


def _line(done: Done) -> str:
    event, outcome = done.event, done.outcome
    said = [f"{done.first:>9,}  {event.fault}"]
    said += [f"({event.point}, time {event.turn})"] * bool(event.point)
    said.append(outcome.skipped or f"back in {outcome.recovery_s:.2f} s")
    return " ".join([*said, *([f"({outcome.words})"] * bool(outcome.words))])


async def _settle(context: DrillContext, done: Sequence[Done]) -> None:
    """Wait until all is sent, every receipt matched, and every reported message known."""
    ends, strange = clock.monotonic() + _PATIENCE_S, misnamed(context, done)
    while not await asyncio.to_thread(_is_settled, context, strange):
        if clock.monotonic() > ends:  # the comparison reports what is open
            return
        await asyncio.sleep(0.2)


def _is_settled(context: DrillContext, strange: Set[int]) -> bool:
    look, smsc = context.look, context.smsc
    if look.open() or smsc.outstanding() or look.leases():
        return False
    waiting = look.waiting()
    if context.acknowledged() & look.within(DeliveryState.UNKNOWN) - (context.mistimed & waiting):
        return False
    return not (look.within(DeliveryState.SUBMITTED) & waiting - strange)

"""Process faults: killed at named points, killed with messages on the wire, frozen, or doubled."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from app.core import clock
from tests.drill.context import CARRIER, LEASE_S, SUB_BATCH, DrillContext, FaultOutcome
from tests.drill.fault_injection import PlannedFailure
from tests.drill.plan import PlannedFault
from tests.drill.processes import DrillProcess, Stuck, comes_true, until

_COMES_UP_S = 8.0
_ON_WIRE = 20
_SIDE = 970_000_000  # numbers in batches that are never sent
_SIDE_LINES = 3000


async def _await_death(context: DrillContext, process: DrillProcess) -> str:
    """Wait until its planned failure killed it; kill it if the point is not reached, and say so."""
    if await comes_true(lambda: not process.alive(), _COMES_UP_S):
        return ""
    process.clear()
    await process.kill()
    return "the point did not come up: killed where it was"


async def _restart(context: DrillContext, process: DrillProcess, words: str) -> FaultOutcome:
    """Note which numbers may be unknown, restart the process like a supervisor, and measure."""
    died = clock.monotonic()
    declared = await context.newly_in_flight()
    if len(declared) > SUB_BATCH:
        raise Stuck(f"A killed sender had {len(declared)} messages on the wire; {SUB_BATCH} are allowed.")
    process.start()
    recovery = await context.recovered(died)
    if process is context.processes.api:
        recovery = max(recovery, await context.serving(died))
    return FaultOutcome(recovery, declared, words=words)


async def sender(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    process = context.processes.sender
    process.inject(PlannedFailure(event.point, event.turn))
    return await _restart(context, process, await _await_death(context, process))


async def on_wire(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Kill the sender while messages are unanswered."""
    process, before = context.processes.sender, context.smsc.taken()
    context.smsc.change(silent=True)
    await comes_true(lambda: context.smsc.taken() >= before + _ON_WIRE, event.seconds)
    await process.kill()
    context.restore_behaviour()
    return await _restart(context, process, "")


async def fan_out(
    context: DrillContext, event: PlannedFault, starting: Coroutine[Any, Any, None]
) -> FaultOutcome:
    process = context.processes.sender
    process.inject(PlannedFailure(event.point, event.turn))
    started = asyncio.create_task(starting)
    outcome = await _restart(context, process, await _await_death(context, process))
    await started
    return outcome


async def api_import(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Kill the API during an import, which must be completed after the restart."""
    first = _SIDE + event.at * 10 % 9_000_000
    content = "phone\n" + "".join(f"0{first + n}\n" for n in range(_SIDE_LINES))
    name = f"side-{event.at}-{event.point.replace(' ', '-')}.csv"
    asked = asyncio.create_task(_inject_and_upload(context, event, name, content.encode()))
    outcome = await _api(context)
    batch = await asked
    if batch["accepted"] != _SIDE_LINES:
        raise Stuck(f"An import that was killed has {batch['accepted']} of {_SIDE_LINES} lines.")
    return outcome


async def _inject_and_upload(
    context: DrillContext, event: PlannedFault, name: str, content: bytes
) -> dict[str, Any]:
    context.processes.api.inject(PlannedFailure(event.point))
    return await context.client.upload(name, content, CARRIER)


async def api_order(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Kill the API in a request, which must take effect once when repeated under its key."""
    number = f"drill-{event.at}-{event.point.replace(' ', '-')}"
    context.processes.api.inject(PlannedFailure(event.point))
    asked = asyncio.create_task(context.client.directive(number))
    outcome = await _api(context)
    await asked
    if (many := await asyncio.to_thread(context.look.letters, number)) != 1:
        raise Stuck(f"An order that was killed was obeyed {many} times.")
    return outcome


async def _api(context: DrillContext) -> FaultOutcome:
    process = context.processes.api
    words = await _await_death(context, process)
    if process is context.processes.sender:
        return await _restart(context, process, words)
    died = clock.monotonic()
    process.start()
    return FaultOutcome(await context.serving(died), words=words)


async def two_workers(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Start a second sender for the same link; SQLite must refuse it."""
    extra = context.processes.create(context.processes.sender.name, 2)
    extra.start()
    if context.processes.sqlite:
        if await extra.ended() != 1:
            raise Stuck("A second Loa on one SQLite folder was not refused.")
        return FaultOutcome(await context.recovered(clock.monotonic()), words="refused")
    try:
        await until(lambda: context.smsc.binds() >= 2, "the second worker is bound")
        await asyncio.sleep(event.seconds)
    finally:
        extra.signal(signal.SIGTERM)
        status = await extra.ended()
    if status:
        raise Stuck(f"The second worker ended with status {status}: {extra.last_words()}")
    return FaultOutcome(await context.recovered(clock.monotonic()))


async def frozen(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Stop the sender for longer than its lease; on PostgreSQL another takes over. Then continue it."""
    process, extra = context.processes.sender, context.processes.create("worker", 3)
    process.signal(signal.SIGSTOP)
    declared = await context.newly_in_flight()
    context.allowed += SUB_BATCH
    if not context.processes.sqlite:
        extra.start()
    await asyncio.sleep(2 * LEASE_S)
    woken = clock.monotonic()
    process.signal(signal.SIGCONT)
    recovery = await context.recovered(woken)
    if not context.processes.sqlite:
        extra.signal(signal.SIGTERM)
        await extra.ended()
    return FaultOutcome(recovery, declared)

"""Processes killed at named points of the code, with messages on the wire, frozen, or one too many."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from app.core import clock
from app.devtools.drill.context import CARRIER, LEASE_S, SUB_BATCH, DrillContext, FaultOutcome
from app.devtools.drill.fault_injection import PlannedFailure
from app.devtools.drill.plan import PlannedFault
from app.devtools.drill.processes import DrillProcess, Stuck, comes, until

_COMES_UP_S = 8.0
_ON_WIRE = 20
_SIDE = 970_000_000  # numbers of batches that are never sent
_SIDE_LINES = 3000


async def _dies(ground: DrillContext, hand: DrillProcess) -> str:
    """Wait until its charge has killed it; where the point does not come up it is killed, and said so."""
    if await comes(lambda: not hand.alive(), _COMES_UP_S):
        return ""
    hand.clear()
    await hand.kill()
    return "the point did not come up: killed where it was"


async def _after(ground: DrillContext, hand: DrillProcess, words: str) -> FaultOutcome:
    """It is dead: note what is in doubt, start it again as a supervisor would, and measure."""
    died = clock.monotonic()
    declared = await ground.doubt()
    if len(declared) > SUB_BATCH:
        raise Stuck(f"A killed sender had {len(declared)} messages on the wire; {SUB_BATCH} are allowed.")
    hand.start()
    recovery = await ground.recovered(died)
    if hand is ground.crew.api:
        recovery = max(recovery, await ground.serving(died))
    return FaultOutcome(recovery, declared, words=words)


async def sender(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """The sender, at a point of the code."""
    hand = ground.crew.sender
    hand.lay(PlannedFailure(event.point, event.turn))
    return await _after(ground, hand, await _dies(ground, hand))


async def on_wire(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """The sender, while the carrier has taken messages that it has not answered."""
    hand, before = ground.crew.sender, ground.smsc.taken()
    ground.smsc.change(silent=True)
    await comes(lambda: ground.smsc.taken() >= before + _ON_WIRE, event.seconds)
    await hand.kill()
    ground.plain()
    return await _after(ground, hand, "")


async def fan_out(
    ground: DrillContext, event: PlannedFault, starting: Coroutine[Any, Any, None]
) -> FaultOutcome:
    """The process that makes the queue, while a run is started."""
    hand = ground.crew.sender
    hand.lay(PlannedFailure(event.point, event.turn))
    started = asyncio.create_task(starting)
    outcome = await _after(ground, hand, await _dies(ground, hand))
    await started
    return outcome


async def api_import(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """The API in mid-import: the upload that it answered is imported whole after its next start."""
    first = _SIDE + event.at * 10 % 9_000_000
    content = "phone\n" + "".join(f"0{first + n}\n" for n in range(_SIDE_LINES))
    name = f"side-{event.at}-{event.point.replace(' ', '-')}.csv"
    asked = asyncio.create_task(_lay_and(ground, event, name, content.encode()))
    outcome = await _api(ground)
    batch = await asked
    if batch["accepted"] != _SIDE_LINES:
        raise Stuck(f"An import that was killed has {batch['accepted']} of {_SIDE_LINES} lines.")
    return outcome


async def _lay_and(ground: DrillContext, event: PlannedFault, name: str, content: bytes) -> dict[str, Any]:
    ground.crew.api.lay(PlannedFailure(event.point))
    return await ground.client.upload(name, content, CARRIER)


async def api_order(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """The API in an order: asked again under its key, it is obeyed once."""
    number = f"drill-{event.at}-{event.point.replace(' ', '-')}"
    ground.crew.api.lay(PlannedFailure(event.point))
    asked = asyncio.create_task(ground.client.directive(number))
    outcome = await _api(ground)
    await asked
    if (many := await asyncio.to_thread(ground.look.letters, number)) != 1:
        raise Stuck(f"An order that was killed was obeyed {many} times.")
    return outcome


async def _api(ground: DrillContext) -> FaultOutcome:
    hand = ground.crew.api
    words = await _dies(ground, hand)
    if hand is ground.crew.sender:
        return await _after(ground, hand, words)
    died = clock.monotonic()
    hand.start()
    return FaultOutcome(await ground.serving(died), words=words)


async def two_workers(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """A second sender on the same lane; on SQLite it is refused, and nothing else happens."""
    extra = ground.crew.recruit(ground.crew.sender.name, 2)
    extra.start()
    if ground.crew.sqlite:
        if await extra.ended() != 1:
            raise Stuck("A second Loa on one SQLite folder was not refused.")
        return FaultOutcome(await ground.recovered(clock.monotonic()), words="refused")
    try:
        await until(lambda: ground.smsc.binds() >= 2, "the second worker is bound")
        await asyncio.sleep(event.seconds)
    finally:
        extra.signal(signal.SIGTERM)
        status = await extra.ended()
    if status:
        raise Stuck(f"The second worker ended with status {status}: {extra.last_words()}")
    return FaultOutcome(await ground.recovered(clock.monotonic()))


async def frozen(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Stopped for longer than its lease; on PostgreSQL another one takes over. Then it wakes up."""
    hand, extra = ground.crew.sender, ground.crew.recruit("worker", 3)
    hand.signal(signal.SIGSTOP)
    declared = await ground.doubt()
    ground.allowed += SUB_BATCH
    if not ground.crew.sqlite:
        extra.start()
    await asyncio.sleep(2 * LEASE_S)
    woken = clock.monotonic()
    hand.signal(signal.SIGCONT)
    recovery = await ground.recovered(woken)
    if not ground.crew.sqlite:
        extra.signal(signal.SIGTERM)
        await extra.ended()
    return FaultOutcome(recovery, declared)

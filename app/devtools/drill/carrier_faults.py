"""The carrier misbehaves: binds, answers, throttling, receipts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from app.core import clock
from app.devtools.drill.context import RESPONSE_TIMEOUT_S, SUB_BATCH, DrillContext, FaultOutcome
from app.devtools.drill.plan import FaultKind, PlannedFault

# How the carrier behaves during a fault, by the names of the simulator's manners.
MANNERS: dict[FaultKind, dict[str, Any]] = {
    FaultKind.SILENT: {"silent": True},
    FaultKind.LOST_ANSWERS: {"unanswered": 0.01},
    FaultKind.GARBAGE: {"garbage": 0.001},
    FaultKind.CUT: {"cut_writes": True},
    FaultKind.THROTTLE: {"throttle": 0.9},
    FaultKind.EARLY: {"early": 1.0},
    FaultKind.LATE: {"receipt_delay_s": 4.0},
    FaultKind.TWICE: {"twice": 1.0},
    FaultKind.SHUFFLED: {"out_of_order": True, "receipt_spread_s": 2.0},
    FaultKind.FOREIGN: {"foreign": 0.05},
    FaultKind.OTHER_BASE: {"other_base": 0.02},
    FaultKind.CARRIER_CLOCK: {"utc_offset_h": -17.0},
}


@dataclass(frozen=True, slots=True)
class _Counted:
    never_answered: int
    garbage_sent: int


def _count(ground: DrillContext) -> _Counted:
    report = ground.smsc.report()
    return _Counted(report["never_answered"], report["garbage_sent"])


async def behave(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """The carrier behaves so for a while; what it leaves unanswered may be unknown."""
    before = _count(ground)
    ground.smsc.change(**MANNERS[event.fault])
    seconds = event.seconds + (RESPONSE_TIMEOUT_S if event.fault is FaultKind.SILENT else 0)
    await asyncio.sleep(seconds)
    ground.plain()
    recovery = await ground.recovered(clock.monotonic())
    after = _count(ground)
    ground.allowed += after.never_answered - before.never_answered
    ground.allowed += SUB_BATCH * (after.garbage_sent - before.garbage_sent)
    if event.fault is FaultKind.SILENT:
        ground.allowed += SUB_BATCH * (1 + round(seconds / RESPONSE_TIMEOUT_S))
    return FaultOutcome(recovery)


async def broken(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Every connection breaks at once."""
    ground.allowed += SUB_BATCH * ground.smsc.binds()
    ground.smsc.drop_all()
    return FaultOutcome(await ground.recovered(clock.monotonic()))


async def unbound(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """The carrier asks every bind to leave, and lets nobody in for a while."""
    ground.allowed += SUB_BATCH * ground.smsc.binds()
    ground.smsc.stop_accepting()
    ground.smsc.unbind_all()
    await asyncio.sleep(event.seconds)
    await ground.smsc.start_accepting()
    return FaultOutcome(await ground.recovered(clock.monotonic()))

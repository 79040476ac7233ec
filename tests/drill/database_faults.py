"""Faults of carrier, database, disk and clock."""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core import clock
from tests.drill.cluster import Cluster
from tests.drill.context import RESPONSE_TIMEOUT_S, SUB_BATCH, DrillContext, FaultOutcome
from tests.drill.fault_injection import PlannedFailure
from tests.drill.plan import FaultKind, PlannedFault
from tests.drill.processes import comes_true

# Carrier faults

# Simulator settings during a fault.
BEHAVIOURS: dict[FaultKind, dict[str, Any]] = {
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


def _count(context: DrillContext) -> _Counted:
    report = context.smsc.report()
    return _Counted(report["never_answered"], report["garbage_sent"])


async def behave(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Change the carrier's behaviour for a while; unanswered messages may be unknown."""
    before, wrong = _count(context), event.fault is FaultKind.CARRIER_CLOCK
    acknowledged = context.acknowledged() if wrong else set[int]()
    context.smsc.change(**BEHAVIOURS[event.fault])
    seconds = event.seconds + (RESPONSE_TIMEOUT_S if event.fault is FaultKind.SILENT else 0)
    await asyncio.sleep(seconds)
    context.restore_behaviour()
    recovery = await context.recovered(clock.monotonic())
    if wrong:
        await asyncio.sleep(_ON_THE_WAY_S)
        context.mistimed |= context.acknowledged() - acknowledged
    after = _count(context)
    context.allowed += after.never_answered - before.never_answered
    context.allowed += SUB_BATCH * (after.garbage_sent - before.garbage_sent)
    if event.fault is FaultKind.SILENT:
        context.allowed += SUB_BATCH * (1 + round(seconds / RESPONSE_TIMEOUT_S))
    return FaultOutcome(recovery)


async def broken(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Drop every connection at once."""
    context.allowed += SUB_BATCH * context.smsc.binds()
    context.smsc.drop_all()
    return FaultOutcome(await context.recovered(clock.monotonic()))


async def unbound(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Unbind every session, and accept none for a while."""
    context.allowed += SUB_BATCH * context.smsc.binds()
    context.smsc.stop_accepting()
    context.smsc.unbind_all()
    await asyncio.sleep(event.seconds)
    await context.smsc.start_accepting()
    return FaultOutcome(await context.recovered(clock.monotonic()))


_ON_THE_WAY_S = 1.0  # receipts with a wrong date may still come for so long
_SLOW_S = 0.3
_SKEW_S = 3600.0
_WAL_WRITE_LOCK = 120  # offset in SQLite's -shm file of the writer's lock
_COMES_UP_S = 8.0
_STORM = {"receipt_delay_s": 0.0, "receipt_window": 2000, "twice": 1.0}
_LOG_ROOM = 64 * 1024


async def stopped(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Stop the server when the sender reaches a point of the code."""
    cluster, process = context.cluster, context.processes.sender
    if cluster is None:
        return await _cut(context)
    process.inject(PlannedFailure(event.point, event.turn, pid=cluster.pid, signal=signal.SIGQUIT))
    came = await comes_true(cluster.down, _COMES_UP_S)
    words = "" if came else "the point did not come up: stopped where it was"
    process.clear()
    if words:
        await asyncio.to_thread(cluster.stop)
    await asyncio.sleep(event.seconds)
    return FaultOutcome(await _back(context, cluster), words=words)


async def away(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Make the database unavailable for a while, during a storm of receipts."""
    context.smsc.change(**_STORM)
    if context.processes.sqlite:
        with _held(context.processes.folder / "loa.sqlite3-shm"):
            await asyncio.sleep(event.seconds)
        recovery = await context.recovered(clock.monotonic())
    elif context.cluster is None:
        return await _cut(context)
    else:
        await asyncio.to_thread(context.cluster.stop)
        await asyncio.sleep(event.seconds)
        recovery = await _back(context, context.cluster)
    context.restore_behaviour()
    return FaultOutcome(recovery)


async def _back(context: DrillContext, cluster: Cluster) -> float:
    began = clock.monotonic()
    await asyncio.to_thread(cluster.start)
    return max(await context.recovered(began), await context.serving(began))


async def _cut(context: DrillContext) -> FaultOutcome:
    """Cut every connection, as the server is not the drill's to stop."""
    await asyncio.to_thread(context.look.cut)
    context.restore_behaviour()
    words = "no own server: its connections were cut"
    return FaultOutcome(await context.recovered(clock.monotonic()), words=words)


@contextmanager
def _held(file: Path) -> Iterator[None]:
    """Hold SQLite's write lock like another writing program."""
    with file.open("r+b") as shared:
        fcntl.lockf(shared, fcntl.LOCK_EX, 1, _WAL_WRITE_LOCK)
        yield


async def slow(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Make every commit of the sender slower, while it holds its locks."""
    context.processes.sender.inject(PlannedFailure(slow_s=_SLOW_S))
    await asyncio.sleep(event.seconds)
    context.processes.sender.clear()
    return FaultOutcome(await context.recovered(clock.monotonic()), words=f"{_SLOW_S:g} s a commit")


async def full(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Fill the disk: for SQLite by a limit on file size, for PostgreSQL on its WAL's own disk."""
    if context.processes.sqlite:
        return await _no_growth(context, event)
    cluster = context.cluster
    if cluster is None or cluster.disk is None:
        return FaultOutcome(skipped="no file system could be mounted for PostgreSQL's log")
    filler = cluster.disk / "filler"
    with filler.open("wb") as file:
        room = os.statvfs(cluster.disk)
        os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize))
        await asyncio.to_thread(context.look.flood)  # WAL segments that exist already can still be written
        fell = await comes_true(cluster.down, _COMES_UP_S)
        await asyncio.sleep(event.seconds)
    filler.unlink()
    words = "the server stopped" if fell else "the server lived on"
    if fell:
        return FaultOutcome(await _back(context, cluster), words=words)
    return FaultOutcome(await context.recovered(clock.monotonic()), words=words)


async def _no_growth(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Limit the process's file size: writes fail as on a full disk (with EFBIG for ENOSPC)."""
    process = context.processes.sender
    room = process.log.stat().st_size + _LOG_ROOM
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    await asyncio.sleep(event.seconds)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return FaultOutcome(await context.recovered(clock.monotonic()))


async def jump(context: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Set the sender's wall clock an hour ahead, then an hour behind, then right again."""
    for skew_s in (_SKEW_S, -_SKEW_S):
        context.processes.sender.inject(PlannedFailure(skew_s=skew_s))
        await asyncio.sleep(event.seconds)
    context.processes.sender.clear()
    return FaultOutcome(await context.recovered(clock.monotonic()), words="app/core/clock set off by an hour")

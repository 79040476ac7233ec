"""The database away, stopped at points of the code, on a full or a slow disk; wall clocks that jump."""

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
from app.devtools.drill.cluster import Cluster
from app.devtools.drill.context import RESPONSE_TIMEOUT_S, SUB_BATCH, DrillContext, FaultOutcome
from app.devtools.drill.fault_injection import PlannedFailure
from app.devtools.drill.plan import FaultKind, PlannedFault
from app.devtools.drill.processes import comes

# ---- The carrier misbehaves: binds, answers, throttling, receipts

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


_SLOW_S = 0.3
_SKEW_S = 3600.0
_WAL_WRITE_LOCK = 120  # the byte of SQLite's -shm file that whoever writes holds
_COMES_UP_S = 8.0
_STORM = {"receipt_delay_s": 0.0, "receipt_window": 2000, "twice": 1.0}
_LOG_ROOM = 64 * 1024


async def stopped(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """The server stops when the sender is at a point of the code."""
    cluster, hand = ground.cluster, ground.crew.sender
    if cluster is None:
        return await _cut(ground)
    hand.lay(PlannedFailure(event.point, event.turn, pid=cluster.pid, signal=signal.SIGQUIT))
    came = await comes(cluster.down, _COMES_UP_S)
    words = "" if came else "the point did not come up: stopped where it was"
    hand.clear()
    if words:
        await asyncio.to_thread(cluster.stop)
    await asyncio.sleep(event.seconds)
    return FaultOutcome(await _back(ground, cluster), words=words)


async def away(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Nothing can be written for a while, and receipts storm in."""
    ground.smsc.change(**_STORM)
    if ground.crew.sqlite:
        with _held(ground.crew.folder / "loa.sqlite3-shm"):
            await asyncio.sleep(event.seconds)
        recovery = await ground.recovered(clock.monotonic())
    elif ground.cluster is None:
        return await _cut(ground)
    else:
        await asyncio.to_thread(ground.cluster.stop)
        await asyncio.sleep(event.seconds)
        recovery = await _back(ground, ground.cluster)
    ground.plain()
    return FaultOutcome(recovery)


async def _back(ground: DrillContext, cluster: Cluster) -> float:
    began = clock.monotonic()
    await asyncio.to_thread(cluster.start)
    return max(await ground.recovered(began), await ground.serving(began))


async def _cut(ground: DrillContext) -> FaultOutcome:
    """The server is not ours to stop: every connection to it is ended instead."""
    await asyncio.to_thread(ground.look.cut)
    ground.plain()
    words = "no own server: its connections were cut"
    return FaultOutcome(await ground.recovered(clock.monotonic()), words=words)


@contextmanager
def _held(file: Path) -> Iterator[None]:
    """SQLite's writer's lock, held as by another program that writes."""
    with file.open("r+b") as shared:
        fcntl.lockf(shared, fcntl.LOCK_EX, 1, _WAL_WRITE_LOCK)
        yield


async def slow(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Every commit of the sender takes longer, with its locks held."""
    ground.crew.sender.lay(PlannedFailure(slow_s=_SLOW_S))
    await asyncio.sleep(event.seconds)
    ground.crew.sender.clear()
    return FaultOutcome(await ground.recovered(clock.monotonic()), words=f"{_SLOW_S:g} s a commit")


async def full(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """Nothing can be written for want of room: files by a limit, PostgreSQL's log on its own disk."""
    if ground.crew.sqlite:
        return await _no_growth(ground, event)
    cluster = ground.cluster
    if cluster is None or cluster.disk is None:
        return FaultOutcome(skipped="no file system could be mounted for PostgreSQL's log")
    filler = cluster.disk / "filler"
    with filler.open("wb") as file:
        room = os.statvfs(cluster.disk)
        os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize))
        await asyncio.to_thread(ground.look.flood)  # what is reserved for the log already has room
        fell = await comes(cluster.down, _COMES_UP_S)
        await asyncio.sleep(event.seconds)
    filler.unlink()
    words = "the server stopped" if fell else "the server lived on"
    if fell:
        return FaultOutcome(await _back(ground, cluster), words=words)
    return FaultOutcome(await ground.recovered(clock.monotonic()), words=words)


async def _no_growth(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """No file of the process may grow: writes fail as on a full disk (with EFBIG for ENOSPC)."""
    hand = ground.crew.sender
    room = hand.log.stat().st_size + _LOG_ROOM
    resource.prlimit(hand.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    await asyncio.sleep(event.seconds)
    resource.prlimit(hand.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return FaultOutcome(await ground.recovered(clock.monotonic()))


async def jump(ground: DrillContext, event: PlannedFault) -> FaultOutcome:
    """The sender's wall clock goes an hour ahead, then an hour behind, then right again."""
    for skew_s in (_SKEW_S, -_SKEW_S):
        ground.crew.sender.lay(PlannedFailure(skew_s=skew_s))
        await asyncio.sleep(event.seconds)
    ground.crew.sender.clear()
    return FaultOutcome(await ground.recovered(clock.monotonic()), words="app/core/clock set off by an hour")

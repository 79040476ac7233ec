"""Runs the worker until all messages are sent and receipts are in, showing progress."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta

from app.campaigns import queries
from app.campaigns.queries import RunSummary
from app.core import clock
from app.core.config import Settings
from app.core.errors import SetupError
from app.core.states import RunState
from app.database.connection import Database
from app.devtools.demo.progress_board import Update
from app.devtools.demo.receipt_ingest import ReceiptIngest
from app.ledger.ledger import ledger_for
from app.observability.metrics import Metrics
from app.runtime.worker import Worker

_LOOK_S = 1.0
_QUIET_S = 6.0  # longer than the retry interval of an early receipt
_STUCK_S = 90.0
_OVER = (RunState.SENT, RunState.FINISHED)
_FAILED = ("rejected", "undelivered", "expired")
_NOT_HANDED_OVER = ("queued", "not_sent", "excluded")


async def send(
    db: Database,
    settings: Settings,
    update: Update,
    stuck_s: float = _STUCK_S,
    ingest: ReceiptIngest | None = None,
) -> Sequence[RunSummary]:
    """Send all started runs; return their final state. Raises SetupError if stuck for `stuck_s`."""
    worker = Worker(db, ledger_for(db, settings.chunk_size), settings, Metrics())
    async with ingest.open(settings, db, worker) if ingest else nullcontext():
        running = asyncio.create_task(worker.run())
        try:
            return await _watch(db, running, update, stuck_s)
        finally:
            worker.stop()
            await running


async def _watch(
    db: Database, running: asyncio.Task[None], update: Update, stuck_s: float
) -> Sequence[RunSummary]:
    idle = _IdleTimer()
    speeds: dict[str, _Speed] = {}
    while True:
        runs = (await db.aread(queries.runs_page, 0, 100)).items
        for run in runs:
            speed = speeds.setdefault(run.carrier, _Speed())
            update(run.carrier, handed_over(run), speed.words(run))
        quiet = idle.quiet_s([(run.state, run.progress) for run in runs])
        over = all(run.state in _OVER for run in runs)
        if all(run.state is RunState.FINISHED for run in runs) or (over and quiet >= _QUIET_S):
            return runs
        if running.done() or quiet >= stuck_s:
            raise SetupError("The demo has stalled. See loa.log in its folder.")
        await asyncio.wait({running}, timeout=_LOOK_S)


@dataclass(slots=True)
class _IdleTimer:
    """Measures for how long nothing has changed."""

    _last: object = None
    _since: float = 0.0

    def quiet_s(self, now: object) -> float:
        if now != self._last:
            self._last, self._since = now, clock.monotonic()
        return clock.monotonic() - self._since


@dataclass(slots=True)
class _Speed:
    """One run's rate over the last polls."""

    _looks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=5))

    def words(self, run: RunSummary) -> str:
        self._looks.append((clock.monotonic(), handed_over(run)))
        (first_s, first), (last_s, last) = self._looks[0], self._looks[-1]
        rate = (last - first) / (last_s - first_s) if last_s > first_s else 0.0
        left = run.not_queued + count(run, "queued")
        return (
            f"{_end(run, left, rate)}, delivered {count(run, 'delivered'):,}, "
            f"failed {count(run, *_FAILED):,}, unknown {count(run, 'unknown'):,}"
        )


def _end(run: RunSummary, left: int, rate: float) -> str:
    """Say the rate and when all will be sent; after that, what is still awaited."""
    if not left:
        without = count(run, "submitted", "unknown")
        return (
            f"sent, waiting for {without:,} {'receipt' if without == 1 else 'receipts'}"
            if without
            else "complete"
        )
    if not rate:
        return f"{left:,} to go"
    done = clock.local(clock.now() + timedelta(seconds=left / rate))
    return f"{rate:,.0f}/s till {done:%H:%M:%S} in Vietnam"


def count(run: RunSummary, *states: str) -> int:
    return sum(run.progress[state].messages for state in states if state in run.progress)


def handed_over(run: RunSummary) -> int:
    return run.subscribers - run.not_queued - count(run, *_NOT_HANDED_OVER)

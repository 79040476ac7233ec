"""The one door for receipts: a group is committed together, and acknowledged only then."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from app.db import Database
from app.ledger.contract import Applied, Arrival, Lane, Ledger
from app.metrics import Metrics
from carriers.contract import Acknowledge, Receipt, ReceiptSink

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Inbox:
    """Gathers up to `group` receipts, or what comes within `wait_s`, and applies them in one commit.

    While the database is away receipts wait unacknowledged; beyond `room` of them the carrier is told to
    repeat later, so memory is bounded and nothing is taken that could be lost.
    """

    db: Database
    ledger: Ledger
    metrics: Metrics
    group: int = 200
    wait_s: float = 0.02
    room: int = 20_000
    _waiting: deque[tuple[Arrival, Acknowledge]] = field(default_factory=deque)
    _some: asyncio.Event = field(default_factory=asyncio.Event)
    _full: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    def sink(self, lane: Lane) -> ReceiptSink:
        """Where a link of this lane drops its receipts."""

        def drop(receipt: Receipt, acknowledge: Acknowledge) -> None:
            if self._stopping or len(self._waiting) >= self.room:
                acknowledge(False)
                return
            self._waiting.append((Arrival(lane, receipt), acknowledge))
            self._some.set()
            if len(self._waiting) >= self.group:
                self._full.set()

        return drop

    async def put(self, arrivals: Sequence[Arrival]) -> Applied:
        """Apply these now, in one commit of their own: for webhooks, files and polls that wait for it."""
        applied = await self.db.awrite(self.ledger.apply, arrivals)
        self._count(applied)
        return applied

    def stop(self) -> None:
        """Take nothing more; run() returns when what was taken is committed."""
        self._stopping = True
        self._some.set()
        self._full.set()

    async def run(self) -> None:
        """Commit group after group. Ends only after stop()."""
        while not self._stopping or self._waiting:
            await self._some.wait()
            if len(self._waiting) < self.group and not self._stopping:
                await self._gather()
            taken = [self._waiting.popleft() for _ in range(min(self.group, len(self._waiting)))]
            if not self._waiting and not self._stopping:
                self._some.clear()
            if len(self._waiting) < self.group and not self._stopping:
                self._full.clear()
            if taken:
                await self._commit(taken)

    async def _gather(self) -> None:
        try:
            await asyncio.wait_for(self._full.wait(), self.wait_s)
        except TimeoutError:
            return

    async def _commit(self, taken: Sequence[tuple[Arrival, Acknowledge]]) -> None:
        applied = await self.db.insist(self.ledger.apply, [arrival for arrival, _ in taken])
        for _, acknowledge in taken:
            acknowledge(True)
        self._count(applied)

    def _count(self, applied: Applied) -> None:
        self.metrics.receipts("applied", applied.changed)
        self.metrics.receipts("repeated", applied.repeated)
        self.metrics.receipts("quarantined", applied.quarantined)
        for seconds in applied.latencies:
            self.metrics.latency(seconds)

"""The receipt writer: receipts are committed in groups and acknowledged only after the commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, select, update

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.database.connection import Database
from app.database.models import quarantine
from app.ledger.contract import Applied, Arrival, Link
from app.ledger.ledger import Ledger
from app.observability.faults import Faults, outcome
from app.observability.metrics import Metrics
from carriers.contract import Acknowledge, Receipt, ReceiptSink

# The part of the waiting time without a further receipt after which a group is committed: clients that wait
# for their answer send nothing else, and a busy loop never gets this quiet.
_QUIET = 0.05

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class QueuedCall:
    """A call whose receipts are queued, and who waits for its answer.

    left: receipts without an outcome; committed: none of the others was given back; forget: called at the
    end. Its receipts may be in several commits, any of which may fail.
    """

    left: int
    forget: Callable[[], object]
    committed: bool = True
    callers: list[asyncio.Future[bool]] = field(default_factory=list)

    def acknowledge(self, committed: bool) -> None:
        """Note the outcome of one receipt; answer the callers once all are known."""
        self.left -= 1
        self.committed = self.committed and committed
        if not self.left:
            self.forget()
            for caller in self.callers:
                _tell(caller, self.committed)


@dataclass(slots=True)
class Inbox:
    """Collect up to `group` receipts, or those within `wait_s`, and apply them in one commit.

    While the database is away receipts wait unacknowledged. Beyond `room` of them carriers are told to repeat
    later, so memory is bounded and nothing is accepted that could be lost.
    """

    db: Database
    ledger: Ledger
    metrics: Metrics
    group: int = 200
    wait_s: float = 0.02
    room: int = 50_000
    refused: int = 0  # receipts given back when the process ended without its database
    _waiting: deque[tuple[Arrival, Acknowledge]] = field(default_factory=deque)
    _some: asyncio.Event = field(default_factory=asyncio.Event)
    _full: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _calls: dict[Hashable, QueuedCall] = field(default_factory=dict)

    def sink(self, link: Link) -> ReceiptSink:
        def enqueue(receipt: Receipt, acknowledge: Acknowledge) -> None:
            if self._stopping or len(self._waiting) >= self.room:
                acknowledge(False)
                return
            self._waiting.append((Arrival(link, receipt), acknowledge))
            self._arrived()

        return enqueue

    def _arrived(self) -> None:
        if not self._some.is_set():
            self._some.set()
        if len(self._waiting) >= self.group and not self._full.is_set():
            self._full.set()

    def _open_for(self, count: int) -> bool:
        """Return whether so many receipts fit, and have a chance to be committed soon."""
        return not (self._stopping or self.db.away or len(self._waiting) + count > self.room)

    async def accept(self, arrivals: Sequence[Arrival], call: Hashable, patience_s: float) -> bool:
        """Queue these behind all others and wait for their commit; False: not accepted, or not in time.

        What was not committed in time still will be. If the carrier repeats the same `call` meanwhile, that
        waits for the first: repetitions must not add to the load that caused them.
        """
        queued = self._calls.get(call) or self._queue(arrivals, call)
        if queued is None or self.db.away:
            return False
        loop = asyncio.get_running_loop()
        # Each caller's own, so that none is cancelled with another.
        committed: asyncio.Future[bool] = loop.create_future()
        queued.callers.append(committed)
        patience = loop.call_later(patience_s, _tell, committed, False)
        try:
            return await committed
        finally:
            patience.cancel()

    def _queue(self, arrivals: Sequence[Arrival], call: Hashable) -> QueuedCall | None:
        if not self._open_for(len(arrivals)):
            return None
        queued = self._calls[call] = QueuedCall(len(arrivals), partial(self._calls.pop, call))
        self._waiting.extend((arrival, queued.acknowledge) for arrival in arrivals)
        self._arrived()
        return queued

    async def put(self, arrivals: Sequence[Arrival]) -> Applied:
        """Apply these now in a commit of their own, for files and polls that wait for it."""
        applied = await self._apply(arrivals, self.db.awrite)
        self._count(applied)
        return applied

    async def _apply(self, arrivals: Sequence[Arrival], write: Callable[..., Awaitable[Any]]) -> Applied:
        """Apply in one commit, halving until a receipt that can't be applied alone goes to quarantine."""
        applied = await outcome(write(self.ledger.apply, arrivals))
        if isinstance(applied, Applied):
            return applied
        if isinstance(applied, DatabaseUnavailable) or not isinstance(applied, Exception):
            raise applied
        if len(arrivals) == 1:
            await write(self.ledger.set_aside, arrivals, ASIDE_MS)
            faults = Faults(self.db, self.metrics)
            await faults.note("receipts", applied, f"receipt by {arrivals[0].link.name}", ASIDE_MS)
            return Applied(quarantined=1)
        middle = len(arrivals) // 2
        first = await self._apply(arrivals[:middle], write)
        return _both(first, await self._apply(arrivals[middle:], write))

    def stop(self) -> None:
        """Accept nothing more; run() returns once all accepted receipts are committed."""
        self._stopping = True
        self._some.set()
        self._full.set()

    async def run(self) -> None:
        """Commit groups until stop(). Raises DatabaseUnavailable if the database stays away too long."""
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
        """Wait up to `wait_s` for a full group, but for waiting callers only while receipts keep coming.

        Nobody waits for those of an SMPP bind, and a commit too soon meets messages that are not recorded
        yet.
        """
        ends, seen = clock.monotonic() + self.wait_s, 0
        while len(self._waiting) > seen and clock.monotonic() < ends:
            seen = len(self._waiting)
            pause_s = self.wait_s * _QUIET if self._calls else ends - clock.monotonic()
            try:
                await asyncio.wait_for(self._full.wait(), pause_s)
            except TimeoutError:
                continue

    async def _commit(self, arrivals: Sequence[tuple[Arrival, Acknowledge]]) -> None:
        applied = await outcome(self._apply([arrival for arrival, _ in arrivals], self.db.write_with_retry))
        if isinstance(applied, DatabaseUnavailable):
            self._refuse(arrivals)
            raise applied
        if isinstance(applied, BaseException):  # not even set aside: their carriers will repeat them
            for _, acknowledge in arrivals:
                acknowledge(False)
            raise applied
        for _, acknowledge in arrivals:
            acknowledge(True)
        self._count(applied)

    def _refuse(self, arrivals: Sequence[tuple[Arrival, Acknowledge]]) -> None:
        """Give back what can't be committed any more; its carrier will repeat it."""
        self._stopping = True
        for _, acknowledge in (*arrivals, *self._waiting):
            self.refused += 1
            acknowledge(False)
        self._waiting.clear()

    def _count(self, applied: Applied) -> None:
        self.metrics.receipts("applied", applied.changed)
        self.metrics.receipts("repeated", applied.repeated)
        self.metrics.receipts("quarantined", applied.quarantined)
        self.metrics.latency(*applied.latencies)


def _both(first: Applied, other: Applied) -> Applied:
    return Applied(
        first.matched + other.matched,
        first.changed + other.changed,
        first.repeated + other.repeated,
        first.quarantined + other.quarantined,
        first.latencies + other.latencies,
    )


def _tell(caller: asyncio.Future[bool], committed: bool) -> None:
    """Answer a caller, unless it has gone or has its answer."""
    if not caller.done():
        caller.set_result(committed)


# ---- Quarantine: match waiting receipts again and settle the unknown deliveries they are about

_AT_ONCE = 500
_MOST_S = 0.5  # a flood of foreign receipts must not hold SQLite's writer for long
ASIDE_MS = 3_600_000  # before a receipt that failed is tried again
_ALL = 20  # failures in a row that cannot be the fault of single receipts


async def match_quarantined(db: Database, ledger: Ledger, faults: Faults) -> int:
    """Match the quarantined receipts that are due, slice by slice; return how many matched."""
    matched, ends = 0, clock.monotonic() + _MOST_S
    while clock.monotonic() < ends:
        applied = await _slice(db, ledger, faults)
        matched += applied.matched
        if applied.matched + applied.quarantined < _AT_ONCE:
            break
    return matched


async def _slice(db: Database, ledger: Ledger, faults: Faults) -> Applied:
    applied = await outcome(db.write_with_retry(ledger.rematch, _AT_ONCE))
    if isinstance(applied, Applied):
        return applied
    if isinstance(applied, DatabaseUnavailable) or not isinstance(applied, Exception):
        raise applied
    return await _one_by_one(db, ledger, faults)


async def _one_by_one(db: Database, ledger: Ledger, faults: Faults) -> Applied:
    total, in_a_row = Applied(), 0
    for receipt_id in await db.read_with_retry(_due, ledger):
        applied = await outcome(db.write_with_retry(ledger.rematch, 1, [receipt_id]))
        if isinstance(applied, Applied):
            total.matched, in_a_row = total.matched + applied.matched, 0
            total.quarantined += applied.quarantined
            continue
        in_a_row += 1
        if isinstance(applied, DatabaseUnavailable) or not isinstance(applied, Exception) or in_a_row == _ALL:
            raise applied
        await db.write_with_retry(_postpone, ledger, receipt_id)
        await faults.note("quarantine", applied, f"receipt {receipt_id} in quarantine", 2 * ASIDE_MS)
    return total


def _due(connection: Connection, ledger: Ledger) -> list[int]:
    q = quarantine.c
    query = select(q.id).where(q.try_at <= ledger.now_ms(connection)).order_by(q.try_at, q.id)
    return list(connection.execute(query.limit(_AT_ONCE)).scalars())


def _postpone(connection: Connection, ledger: Ledger, receipt_id: int) -> None:
    later = {"try_at": ledger.now_ms(connection) + ASIDE_MS, "tries": quarantine.c.tries + 1}
    connection.execute(update(quarantine).where(quarantine.c.id == receipt_id).values(later))

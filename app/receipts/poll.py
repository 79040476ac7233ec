"""Query one link's carrier about messages, at its pace, in one process at a time; never sends.

Answers are stored like any receipt. What gets no final answer is asked again later; the queries of a process
that dies stay on the list.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from app.core import clock
from app.core.config import LinkSettings
from app.core.errors import DatabaseUnavailable, SetupError
from app.database.jobs import Hold
from app.ledger.contract import Arrival, DeliveryKey, Link
from app.receipts import status_queries
from app.receipts.failure_list import Reconciliation, link_ready
from app.receipts.receipt_writer import Inbox
from app.receipts.status_queries import Pending, QueryPlan
from carriers.causes import cause_of
from carriers.contract import (
    Carrier,
    ListedFailures,
    QueriedReceipts,
    Question,
    ReadError,
    Receipt,
    ReceiptStatus,
)

log = structlog.get_logger(__name__)

FINAL = (ReceiptStatus.DELIVERED, ReceiptStatus.UNDELIVERED, ReceiptStatus.EXPIRED)
_LONGEST_TICK_S = 1.0
_ENQUEUE_EVERY_S = 5.0
_SLICES = 10
_BUSY = 100


class PollableCarrier(Carrier, QueriedReceipts, Protocol): ...


@dataclass(slots=True)
class Poll:
    """Query for one link until stop(). Several processes may run it; the job's lease lets one ask."""

    link: Link
    carrier: PollableCarrier
    inbox: Inbox
    plan: QueryPlan
    lease_s: float
    _lease: Hold = field(init=False)
    _tick_s: float = field(init=False)
    _enqueued_at: float = -math.inf
    _next_free: float = 0.0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _queue: asyncio.Queue[Pending] = field(default_factory=asyncio.Queue)
    _answers: list[tuple[Pending, list[Receipt | None]]] = field(default_factory=list)
    _in_progress: set[DeliveryKey] = field(default_factory=set)  # queued, being asked, or not yet stored
    _failing: bool = False
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _over: bool = False  # this call of run() has ended; a fault ends it, and run() is called again

    def __post_init__(self) -> None:
        self._lease = Hold(self.inbox.db, "asking", f"link {self.link.id}", self.lease_s)
        self._tick_s = max(0.01, min(_LONGEST_TICK_S, self.lease_s / 4, self.plan.after_s / 4))

    def stop(self) -> None:
        """Stop asking; run() returns once all answers are stored."""
        self._stopping.set()

    async def run(self) -> None:
        self._over = False
        at_once = max(1, self.carrier.limits.in_flight // 4)
        async with asyncio.TaskGroup() as group:
            askers = [group.create_task(self._asking()) for _ in range(at_once)]
            try:
                while not self._stopping.is_set():
                    if not await self._tick():
                        with suppress(TimeoutError):
                            await asyncio.wait_for(self._stopping.wait(), self._tick_s)
            finally:
                # HTTP clients sometimes swallow a cancellation, so the flag decides.
                self._over = True
                for asker in askers:
                    asker.cancel()
        await self._finish()

    async def _tick(self) -> bool:
        """Return whether there is more to look through at once."""
        try:
            held = await self._lease.hold()
            await self._write_down()
            if not (held and await link_ready(self.carrier, self._tick_s)):
                return False
            await self._enqueue()
            return await self._refill()
        except DatabaseUnavailable:  # answers that could not be stored are asked for again
            return False

    async def _finish(self) -> None:
        with suppress(DatabaseUnavailable):
            await self._write_down()
            await self._lease.leave()

    # ---- Choose what to ask

    async def _enqueue(self) -> None:
        """Enqueue what became unknown or was handed over since the last look."""
        box, now = self.inbox, clock.monotonic()
        if now - self._enqueued_at < min(_ENQUEUE_EVERY_S, self._tick_s * 4):
            return
        await box.db.awrite(status_queries.enqueue_unknown, box.ledger, self.link, self.plan)
        if self.plan.which == "unknown" or not await self._enqueue_sent():
            self._enqueued_at = now

    async def _enqueue_sent(self) -> bool:
        """Return whether chunks are left for the next tick."""
        db = self.inbox.db
        for _ in range(_SLICES):
            chunks = await db.aread(status_queries.handed_over, self.link)
            if not chunks:
                return False
            await db.awrite(status_queries.enqueue_chunks, self.link, self.plan, chunks)
        return True

    async def _refill(self) -> bool:
        """Queue what is due, for two ticks at most: what waits longer may be settled meanwhile."""
        most = max(1, math.ceil(2 * self._tick_s * self.carrier.queries_per_second)) - self._queue.qsize()
        if most <= 0:
            return False
        box = self.inbox
        due = await box.db.awrite(status_queries.due, box.ledger, self.link, most, self._in_progress)
        for pending in due.pending:
            self._in_progress.add(pending.key)
            self._queue.put_nowait(pending)
        return due.gone >= _BUSY

    # ---- Ask the carrier

    async def _asking(self) -> None:
        """Ask, as one of the tasks that use a quarter of the link's capacity; the rest is for messages."""
        while not (self._over or self._stopping.is_set()):
            pending = await self._queue.get()
            answers: list[Receipt | None] = []
            for question in pending.questions:
                if not await self._may_ask():
                    break
                answers.append(await self._ask(question))
            self._answers.append((pending, answers))

    async def _may_ask(self) -> bool:
        async with self._turn:
            delay = self._next_free - clock.monotonic()
            if delay > 0:
                await asyncio.sleep(delay)
            self._next_free = max(self._next_free, clock.monotonic()) + 1 / self.carrier.queries_per_second
        asks = self._lease.stands() and not (self._over or self._stopping.is_set())
        return asks and self.carrier.halted() is None

    async def _ask(self, question: Question) -> Receipt | None:
        """Return the carrier's answer as a receipt; None, logged, after a fault of the adapter."""
        (answer,) = await asyncio.gather(self.carrier.query(question), return_exceptions=True)
        if isinstance(answer, BaseException):
            self._log_failure(answer)
            self.inbox.metrics.question(self.link.name, "failed")
            return None
        self._failing = False
        self.inbox.metrics.question(self.link.name, _kind(answer))
        if answer is None:
            return None
        return answer._replace(reference=question.reference, phone=question.phone)

    def _log_failure(self, error: BaseException) -> None:
        """Log a failure once, until the carrier answers again."""
        if not self._failing:
            self._failing = True
            words = str(error) if isinstance(error, ReadError) else cause_of(error)
            fault = None if isinstance(error, ReadError) else error
            log.warning("the carrier cannot be queried", link=self.link.name, why=words, exc_info=fault)

    # ---- Store the answers

    async def _write_down(self) -> None:
        done, self._answers = self._answers, []
        asked = [(pending, answers) for pending, answers in done if answers or not pending.questions]
        arrivals = [
            Arrival(self.link, each) for pending, some in asked for each in _informative(pending, some)
        ]
        settled = [pending for pending, answers in asked if _settled(pending, answers)]
        again = [pending for pending, answers in asked if not _settled(pending, answers)]
        box = self.inbox
        try:
            if arrivals:
                await box.put(arrivals)
            if asked:
                await box.db.awrite(status_queries.put_off, box.ledger, self.plan, again, settled)
        finally:
            self._in_progress -= {pending.key for pending, _ in done}


def _kind(answer: Receipt | None) -> str:
    if answer is None:
        return "none"
    return "final" if answer.status in FINAL else "open"


def _informative(pending: Pending, answers: Sequence[Receipt | None]) -> list[Receipt]:
    """Return the answers that change something: final ones, and IN_TRANSIT for an unknown message."""
    informative = [*FINAL, ReceiptStatus.IN_TRANSIT] if pending.taken_if_known else FINAL
    return [answer for answer in answers if answer is not None and answer.status in informative]


def _settled(pending: Pending, answers: Sequence[Receipt | None]) -> bool:
    final = sum(1 for answer in answers if answer is not None and answer.status in FINAL)
    return bool(pending.questions) and final == len(pending.questions)


# ---- Pollers by settings


def askers(
    link: Link, carrier: Carrier, settings: LinkSettings, inbox: Inbox, lease_s: float
) -> list[Poll | Reconciliation]:
    """Return the pollers of this settings. Raises SetupError if the settings want what it can't do."""
    found: list[Poll | Reconciliation] = []
    if isinstance(carrier, QueriedReceipts) and settings.poll != "none":
        plan = QueryPlan(settings.poll, settings.poll_sample, settings.poll_after_s)
        found.append(Poll(link, carrier, inbox, plan, lease_s))
    elif settings.poll in ("sample", "all"):
        raise SetupError(
            "Link {name}: poll is {poll}, but links of kind {kind} cannot be asked about messages. "
            "Remove poll, or set it to 'none'.",
            name=link.name,
            poll=f"{settings.poll!r}",
            kind=settings.kind,
        )
    if isinstance(carrier, ListedFailures) and settings.reconcile:
        found.append(Reconciliation(link, carrier, inbox, lease_s))
    elif settings.reconcile:
        raise SetupError(
            "Link {name}: reconcile is on, but links of kind {kind} have no list of failures. "
            "Remove reconcile.",
            name=link.name,
            kind=settings.kind,
        )
    return found

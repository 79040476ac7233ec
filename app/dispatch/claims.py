"""Chunks that a send loop claims and holds: the next one, its halves on the wire, its lease and its end.

A run whose claim fails rests for a while, and the others go on. A fault of one look at what is held is shown
and costs this look alone: the results of what is on the wire are still recorded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.core.sending_window import closes_at
from app.core.states import LinkState
from app.database.connection import Database
from app.dispatch import link_store
from app.dispatch.run_content import ClaimedChunk, RunContent, claim, running, still_going
from app.ledger.contract import (
    ChunkLease,
    DeliveryToSend,
    Link,
    Reservation,
    ReservationResult,
    SubmitOutcome,
)
from app.ledger.ledger import Ledger
from app.observability.faults import Aside, Faults, outcome
from app.observability.metrics import Metrics
from carriers.contract import Permit

log = structlog.get_logger(__name__)
T = TypeVar("T")

_LONGEST_REST_S = 60.0  # the longest a run waits after the cause is gone
_LOOK_EVERY_S = 1.0  # for work that nobody has told this process of
_WATCH_EVERY_S = 0.5  # how often leases, orders and opt-outs of what is on the wire are checked
_NOTED_EVERY_S = 60.0


# ---- What is held


@dataclass(slots=True)
class HeldChunk:
    """A leased chunk: what is still to be sent, and the permit that limits writing it to the wire."""

    lease: ChunkLease
    content: RunContent
    items: deque[DeliveryToSend]
    permit: Permit
    taken: tuple[datetime, float]  # time of the claim: the database's clock, monotonic seconds
    on_wire: int = 0
    retry_after_s: float = 0.0
    asked: list[DeliveryToSend] = field(default_factory=list)  # the half whose reservation was asked for last
    opted_out: set[int] = field(default_factory=set)  # phones put on the do-not-send list since the claim
    most: int | None = None  # segments that the budget had left when it was too small for a half

    @classmethod
    def of(cls, chunk: ClaimedChunk, began: float, lease_s: float) -> HeldChunk:
        """Hold a chunk that was claimed now. began: when its claim began, in monotonic seconds.

        The hours are counted from then: the database told its time at some moment of the claim.
        """
        closes = closes_at(chunk.content.window, chunk.at)
        permit = Permit(began + lease_s)
        if closes is not None:
            permit.closes = began + (closes - chunk.at).total_seconds()
        taken = (chunk.at, clock.monotonic())
        return cls(chunk.lease, chunk.content, deque(chunk.lease.items), permit, taken)

    @property
    def over(self) -> bool:
        return not self.items and not self.on_wire

    def begin_pass(self, items: Sequence[DeliveryToSend]) -> None:
        """Begin another pass under the same lease, with what is due in it."""
        self.lease = replace(self.lease, pass_no=self.lease.pass_no + 1, items=items)
        self.items.extend(items)
        self.retry_after_s = 0.0
        self.opted_out = set()  # the pass was begun without those

    def take(self, capacity: int) -> list[DeliveryToSend]:
        """Take the next messages, at least one, of so many segments in all."""
        self.asked = []
        capacity = capacity if self.most is None else min(capacity, self.most)
        while self.items and (not self.asked or capacity >= self.items[0].segments):
            self.asked.append(self.items.popleft())
            capacity -= self.asked[-1].segments
        return self.asked

    def refused(self, left: int | None) -> None:
        """Send nothing more of it; or, where the budget was too small for the half, only what it has left.

        What is on the wire is reserved, so it still goes.
        """
        if left is None:
            self.items.clear()
            self.permit.withdraw()
            return
        self.items.extendleft(reversed(self.asked))
        self.most = left
        if self.items and self.items[0].segments > left:
            self.items.clear()

    def sendable(
        self, deliveries: Sequence[DeliveryToSend]
    ) -> tuple[Sequence[DeliveryToSend], Sequence[DeliveryToSend]]:
        """Split reserved messages: what may go, and what was stopped or whose phone has opted out."""
        if not self.permit.stands:
            return (), deliveries
        if not self.opted_out:
            return deliveries, ()
        return [i for i in deliveries if i.phone not in self.opted_out], [
            i for i in deliveries if i.phone in self.opted_out
        ]

    def now(self) -> datetime:
        """Return the database's time: by this machine's clock, if it is wrong, messages would lapse early."""
        at, then = self.taken
        return at + timedelta(seconds=clock.monotonic() - then)


@dataclass(slots=True)
class HalfInFlight:
    """One half on the wire, with the task that collects its results."""

    chunk: HeldChunk
    answers: asyncio.Task[list[SubmitOutcome]]


def segments_of(items: Sequence[DeliveryToSend]) -> int:
    return sum(item.segments for item in items)


# ---- Claim, record, release


@dataclass(frozen=True, slots=True)
class SendContext:
    """What every send loop of a process shares."""

    db: Database
    ledger: Ledger
    metrics: Metrics
    sub_batch: int = 200
    lease_s: float = 8.0


class Claims:
    """The claims of one link by one process."""

    def __init__(self, context: SendContext, link: Link, owner: str) -> None:
        self._context, self._link, self._owner = context, link, owner
        self._aside = Aside(Faults(context.db, context.metrics), "sending", _LONGEST_REST_S)
        self._nth = count()
        self._waiting: list[tuple[float, int, HeldChunk]] = []  # heap by when they are due (monotonic)

    async def next(self) -> ClaimedChunk | LinkState:
        """Claim the next chunk; return the link's state if it is halted or nothing is due."""
        context, link, resting = self._context, self._link, self._aside.resting()
        if not resting:
            found = await outcome(
                context.db.write_with_retry(claim, context.ledger, link, self._owner, context.lease_s)
            )
            if isinstance(found, ClaimedChunk | LinkState):
                return found
            if isinstance(found, DatabaseUnavailable) or not isinstance(found, Exception):
                raise found
        for run_id in await context.db.write_with_retry(running, link.carrier):
            if run_id not in resting:
                work = context.db.write_with_retry(
                    claim, context.ledger, link, self._owner, context.lease_s, [run_id]
                )
                one = await self._aside.result(run_id, _name(run_id), work)
                if one is not None and one is not LinkState.RUNNING:
                    return one
        return await context.db.write_with_retry(link_store.state, link.id)

    async def record(
        self, lease: ChunkLease, outcomes: Sequence[SubmitOutcome], then: Reservation | None
    ) -> ReservationResult:
        """Record results and reserve the next half."""
        context = self._context
        work = context.db.write_with_retry(
            context.ledger.record, self._link, lease, outcomes, then, context.lease_s
        )
        return await self._recorded(lease, work)

    async def record_last(self, chunk: HeldChunk, outcomes: Sequence[SubmitOutcome]) -> ReservationResult:
        """Record the last results of a pass; in the same commit release the chunk, or begin another pass.

        Another pass keeps the lease, if what the carrier put off is due soon; `due` gives it back then. What
        was stopped is handed back at once.
        """
        soon = 0 < chunk.retry_after_s < _LOOK_EVERY_S and not chunk.permit.withdrawn
        work = self._context.db.write_with_retry(
            self._finish, chunk.lease, outcomes, chunk.retry_after_s, soon
        )
        grant, items = await self._recorded(chunk.lease, work)
        if items:
            heappush(self._waiting, (clock.monotonic() + chunk.retry_after_s, next(self._nth), chunk))
            chunk.begin_pass(items)
        return grant

    async def release(self, lease: ChunkLease, retry_after_s: float) -> None:
        """Release a chunk whose results are all recorded; what was put off is due in `retry_after_s`."""
        await self._context.db.write_with_retry(self._context.ledger.release, lease, retry_after_s)

    @property
    def waiting(self) -> list[HeldChunk]:
        """The chunks whose next pass is not due yet."""
        return [chunk for _, _, chunk in self._waiting]

    def due(self) -> HeldChunk | None:
        """Take the chunk whose next pass has come, if any."""
        if self._waiting and self._waiting[0][0] <= clock.monotonic():
            return heappop(self._waiting)[2]
        return None

    def rest_s(self) -> float:
        """Return the seconds to wait when no chunk is due: at most until the next pass of one."""
        if not self._waiting:
            return _LOOK_EVERY_S
        return min(max(self._waiting[0][0] - clock.monotonic(), 0.0), _LOOK_EVERY_S)

    async def give_up(self) -> None:
        """Release the chunks that wait for their next pass."""
        while self._waiting:
            await self.release(heappop(self._waiting)[2].lease, 0.0)

    async def _recorded(self, lease: ChunkLease, work: Coroutine[None, None, T]) -> T:
        """Let the run of a chunk whose record fails rest for a while, so that others have their turn."""
        grant = await outcome(work)
        if isinstance(grant, BaseException):
            await self._aside.failed(lease.run_id, _name(lease.run_id), grant)
            raise grant
        return grant

    def _finish(
        self,
        connection: Connection,
        lease: ChunkLease,
        outcomes: Sequence[SubmitOutcome],
        retry_after_s: float,
        soon: bool,
    ) -> tuple[ReservationResult, Sequence[DeliveryToSend]]:
        """Return what the record gave, and what is due in another pass if one begins."""
        context = self._context
        grant = context.ledger.record(connection, self._link, lease, outcomes, None, context.lease_s)
        items = context.ledger.next_pass(connection, lease, self._link.carrier) if soon else ()
        if not items:
            context.ledger.release(connection, lease, retry_after_s)
        return grant, items


def _name(run_id: int) -> str:
    return f"run {run_id}"


class NextChunk:
    """The next chunk of one send loop, if it was claimed ahead.

    It is held like any other: its lease is renewed, orders withdraw it, and what is not sent is released.
    Nothing of it is reserved yet, so a crash leaves none of its messages unknown.
    """

    def __init__(self, claims: Claims, link: str, lease_s: float) -> None:
        self._claims, self._link, self._lease_s = claims, link, lease_s
        self._task: asyncio.Task[HeldChunk | LinkState] | None = None

    @property
    def held(self) -> HeldChunk | None:
        """The chunk that was claimed ahead and not taken yet."""
        if self._task is None or not self._task.done() or self._task.cancelled() or self._task.exception():
            return None
        found = self._task.result()
        return found if isinstance(found, HeldChunk) else None

    def start(self) -> None:
        """Claim ahead, unless that has begun."""
        self._task = self._task or asyncio.create_task(self._claim())

    async def take(self) -> HeldChunk | LinkState:
        """Return the next chunk; or the link's state if it is halted or nothing is due now."""
        found = await self.give_up()
        # That nothing was due was said before the last results were recorded.
        return found or await self._claim()

    async def give_up(self) -> HeldChunk | None:
        """Return the chunk that was claimed ahead, for its release; None if there is none."""
        task, self._task = self._task, None
        found = await task if task is not None else None
        return found if isinstance(found, HeldChunk) else None

    def cancel(self) -> list[asyncio.Task[HeldChunk | LinkState]]:
        """Cancel a claim that is under way; return its task, to be waited for."""
        task, self._task = self._task, None
        if task is None:
            return []
        task.cancel()
        return [task]

    async def _claim(self) -> HeldChunk | LinkState:
        asked = clock.monotonic()
        found = await self._claims.next()
        if not isinstance(found, ClaimedChunk):
            return found
        if found.lease.lost:
            log.warning(
                "deliveries of a process that ended became unknown", link=self._link, n=found.lease.lost
            )
        return HeldChunk.of(found, asked, self._lease_s)


# ---- Look after what is held, beside the sending


@dataclass(slots=True)
class ChunkWatch:
    """Watch over the chunks of one send loop until it is cancelled. chunks: those it holds now."""

    link: Link
    context: SendContext
    chunks: Callable[[], Sequence[HeldChunk]]
    _noted: dict[str, float] = field(default_factory=dict)  # lasting faults, by when they were shown

    def start(self) -> list[asyncio.Task[None]]:
        """Start to watch; the tasks end when they are cancelled, not before."""
        looks = {
            "leases": (self.context.lease_s / 3, self.keep_leases),
            "orders": (_WATCH_EVERY_S, self.look_at_orders),
            "deadlines": (_WATCH_EVERY_S / 2, self.look_at_deadlines),
        }
        return [asyncio.create_task(self._again_and_again(name, *each)) for name, each in looks.items()]

    async def _again_and_again(self, name: str, every_s: float, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self._said(f"{name} {self.link.name}", await outcome(look()))

    async def _said(self, source: str, end: object) -> None:
        """Show a fault now and then, and when it is over; without the database the leases expire."""
        faults, now = Faults(self.context.db, self.context.metrics), clock.monotonic()
        if not isinstance(end, BaseException):
            if self._noted.pop(source, None) is not None:
                await faults.over(source)
        elif not isinstance(end, Exception):
            raise end
        elif isinstance(end, DatabaseUnavailable):
            return
        elif now - self._noted.get(source, -_NOTED_EVERY_S) >= _NOTED_EVERY_S:
            self._noted[source] = now
            await faults.note(source, end)

    async def keep_leases(self) -> None:
        """Renew leases while a carrier is slow to answer."""
        context = self.context
        for chunk in self.chunks():
            asked = clock.monotonic()
            if await context.db.write_with_retry(context.ledger.renew, chunk.lease, context.lease_s):
                chunk.permit.until = max(chunk.permit.until, asked + context.lease_s)
            else:
                chunk.permit.withdraw()

    async def look_at_orders(self) -> None:
        """Withdraw what waits in the adapter once its run is paused or ended, or its link halted."""
        chunks = self.chunks()
        if not chunks:
            return
        runs = {chunk.lease.run_id for chunk in chunks}
        phones = list({item.phone for chunk in chunks for item in chunk.lease.items})
        going, listed = await self.context.db.aread(still_going, self.link, runs, phones)
        for chunk in chunks:
            chunk.opted_out.update(listed)
            if chunk.lease.run_id not in going:
                chunk.permit.withdraw()

    async def look_at_deadlines(self) -> None:
        """Have what waits in the adapter given back once its lease or the sending hours are over.

        Asks nobody: the permit knows both ends, and is looked at before each write in any case.
        """
        for chunk in [each for each in self.chunks() if not (each.permit.stands or each.permit.withdrawn)]:
            chunk.permit.withdraw()

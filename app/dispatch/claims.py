"""Claim the next chunk of a link; a run whose claim fails rests for a while, and the others go on."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import TypeVar

from sqlalchemy import Connection

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.core.states import LinkState
from app.database.connection import Database
from app.dispatch import link_store
from app.dispatch.held_chunks import HeldChunk
from app.dispatch.run_content import ClaimedChunk, claim, running
from app.ledger.contract import (
    ChunkLease,
    DeliveryToSend,
    Ledger,
    Link,
    Reservation,
    ReservationResult,
    SubmitOutcome,
)
from app.observability.faults import Aside, Faults, outcome
from app.observability.metrics import Metrics

_LONGEST_REST_S = 60.0  # the longest a run waits after the cause is gone
_LOOK_EVERY_S = 1.0  # for work that nobody has told this process of

T = TypeVar("T")


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
        """Return the seconds to wait when nothing was due: no longer than until a chunk's next pass."""
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

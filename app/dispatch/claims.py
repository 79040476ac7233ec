"""Claim the next chunk of a link; a run whose claim fails rests for a while, and the others go on."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from sqlalchemy import Connection

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.core.states import LinkState
from app.database.connection import Database
from app.dispatch import link_store
from app.dispatch.run_content import ClaimedChunk, claim, running
from app.ledger.contract import ChunkLease, Ledger, Link, Reservation, ReservationResult, SubmitOutcome
from app.observability.faults import Aside, Faults, outcome
from app.observability.metrics import Metrics

_LONGEST_REST_S = 60.0  # the longest a run waits after the cause is gone
_CLOCKS_S = 0.01  # by which a chunk may be due later: the database counts from a moment of its own
_LOOK_EVERY_S = 1.0  # for work that nobody has told this process of


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
        self._again: list[float] = []  # heap: when chunks that wait for another pass are due (monotonic)

    async def next(self) -> ClaimedChunk | LinkState:
        """Claim the next chunk; return the link's state if it is halted or nothing is due."""
        context, link, resting = self._context, self._link, self._aside.resting()
        if not resting:
            found = await outcome(
                context.db.insist(claim, context.ledger, link, self._owner, context.lease_s)
            )
            if isinstance(found, ClaimedChunk | LinkState):
                return found
            if isinstance(found, DatabaseUnavailable) or not isinstance(found, Exception):
                raise found
        for run_id in await context.db.insist(running, link.carrier):
            if run_id not in resting:
                work = context.db.insist(claim, context.ledger, link, self._owner, context.lease_s, [run_id])
                one = await self._aside.result(run_id, _name(run_id), work)
                if one is not None and one is not LinkState.RUNNING:
                    return one
        return await context.db.insist(link_store.state, link.id)

    async def record(
        self, lease: ChunkLease, outcomes: Sequence[SubmitOutcome], then: Reservation | None
    ) -> ReservationResult:
        """Record results and reserve the next half."""
        context = self._context
        work = context.db.insist(context.ledger.record, self._link, lease, outcomes, then, context.lease_s)
        return await self._recorded(lease, work)

    async def record_last(
        self, lease: ChunkLease, outcomes: Sequence[SubmitOutcome], retry_after_s: float
    ) -> ReservationResult:
        """Record the last results of a chunk and release it in the same commit."""
        work = self._context.db.insist(self._record_and_release, lease, outcomes, retry_after_s)
        grant = await self._recorded(lease, work)
        self._note(retry_after_s)
        return grant

    async def release(self, lease: ChunkLease, retry_after_s: float) -> None:
        """Release a chunk whose results are all recorded; what was put off is due in `retry_after_s`."""
        await self._context.db.insist(self._context.ledger.release, lease, retry_after_s)
        self._note(retry_after_s)

    async def _recorded(
        self, lease: ChunkLease, work: Coroutine[None, None, ReservationResult]
    ) -> ReservationResult:
        """Let the run of a chunk whose record fails rest for a while, so that others have their turn."""
        grant = await outcome(work)
        if isinstance(grant, BaseException):
            await self._aside.failed(lease.run_id, _name(lease.run_id), grant)
            raise grant
        return grant

    def _note(self, retry_after_s: float) -> None:
        if 0 < retry_after_s < _LOOK_EVERY_S:
            heappush(self._again, clock.monotonic() + retry_after_s)

    def rest_s(self) -> float:
        """Return the seconds to wait when nothing was due: no longer than until a released chunk is due."""
        now = clock.monotonic()
        while self._again and self._again[0] < now - 2 * _CLOCKS_S:
            heappop(self._again)
        wait = max(self._again[0] - now, 0.0) + _CLOCKS_S if self._again else _LOOK_EVERY_S
        return min(wait, _LOOK_EVERY_S)

    def _record_and_release(
        self,
        connection: Connection,
        lease: ChunkLease,
        outcomes: Sequence[SubmitOutcome],
        retry_after_s: float,
    ) -> ReservationResult:
        context = self._context
        grant = context.ledger.record(connection, self._link, lease, outcomes, None, context.lease_s)
        context.ledger.release(connection, lease, retry_after_s)
        return grant


def _name(run_id: int) -> str:
    return f"run {run_id}"

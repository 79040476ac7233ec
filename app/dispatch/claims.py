"""Claim the next chunk of a link; a run whose claim fails rests for a while, and the others go on."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.errors import DatabaseUnavailable
from app.core.states import LinkState
from app.database.connection import Database
from app.dispatch import link_store
from app.dispatch.run_content import ClaimedChunk, claim, running
from app.ledger.contract import ChunkLease, Ledger, Link
from app.observability.faults import Aside, Faults, outcome
from app.observability.metrics import Metrics

_LONGEST_REST_S = 60.0  # the longest a run waits after the cause is gone


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

    async def failed(self, lease: ChunkLease, error: BaseException) -> None:
        """Let the run of a chunk whose record failed rest for a while, so that others have their turn."""
        await self._aside.failed(lease.run_id, _name(lease.run_id), error)


def _name(run_id: int) -> str:
    return f"run {run_id}"

"""Queue started runs, after checking that the rows of a batch are those that were approved.

That nobody is queued twice: app/ledger/fan_out.py, and the key of deliveries that it inserts by.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.core.errors import DatabaseUnavailable
from app.database.connection import Database
from app.dispatch import run_content, run_sweeps
from app.ledger import batch_rows
from app.ledger.contract import Ledger
from app.observability.faults import Aside


class FanOutJob:
    """Fan out in one process; caches the piece hashes of the batches checked so far."""

    def __init__(self, db: Database, ledger: Ledger, aside: Aside) -> None:
        self._db, self._ledger, self._aside = db, ledger, aside
        self._looked: dict[int, batch_rows.Pieces] = {}

    async def next(self) -> bool:
        """Queue one slice of one run; return whether there may be more. A run that fails rests."""
        resting = self._aside.resting()
        due = await self._db.read_with_retry(run_sweeps.next_due, but=resting)
        if due is None:
            self._looked.clear()
            return False
        return await self._aside.attempt(due.run_id, f"run {due.run_id}", self._queue(due, resting))

    async def _queue(self, due: run_sweeps.DueBatch, but: Sequence[int]) -> bool:
        if due.sent and due.batch_id not in self._looked:
            try:
                # By a reader, since it takes seconds: once per batch and process.
                pieces = await self._db.aread(batch_rows.look, due.batch_id)
            except DatabaseUnavailable:
                return False
            if pieces is None:
                return await self._stop(due)
            self._looked[due.batch_id] = pieces
        altered = await self._db.write_with_retry(run_sweeps.fan_out_next, self._ledger, self._looked, but)
        return True if altered is None else await self._stop(altered)

    async def _stop(self, due: run_sweeps.DueBatch) -> bool:
        self._looked.pop(due.batch_id, None)
        await self._db.write_with_retry(run_content.stop, due.run_id, due.campaign_id, batch=due.batch_id)
        return True

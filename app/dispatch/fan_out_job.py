"""Queue started runs, after checking that the rows of a batch are those that were approved.

That nobody is queued twice: app/ledger/ledger.py, and the key of deliveries that it inserts by.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.database.connection import Database
from app.dispatch import run_content, run_sweeps
from app.ledger import batch_rows, opt_out_seal
from app.ledger.ledger import Ledger
from app.observability import faults
from app.observability.faults import Aside

_LIST_S = 60.0


def _refuse(connection: Connection, batch: run_sweeps.DueBatch, problem: str) -> None:
    faults.record(connection, "queueing", f"run {batch.run_id}", problem)
    run_content.stop(connection, batch.run_id, batch.campaign_id, "opt-outs", batch=batch.batch_id)


class FanOutJob:
    """Fan out in one process; caches the piece hashes of the batches checked so far."""

    def __init__(self, db: Database, ledger: Ledger, aside: Aside) -> None:
        self._db, self._ledger, self._aside = db, ledger, aside
        self._looked: dict[int, batch_rows.Pieces] = {}
        self._lists: dict[str, float] = {}  # carriers whose do-not-send list was whole, and when (monotonic)

    async def next(self) -> bool:
        """Queue one slice of one run; return whether there may be more. A run that fails rests."""
        resting = self._aside.resting()
        due = await self._db.read_with_retry(run_sweeps.next_due, but=resting)
        if due is None:
            self._looked.clear()
            return False
        return await self._aside.attempt(due.run_id, f"run {due.run_id}", self._queue(due, resting))

    async def _queue(self, batch: run_sweeps.DueBatch, but: Sequence[int]) -> bool:
        if batch.sent and batch.batch_id not in self._looked:
            try:
                # By a reader, since it takes seconds: once per batch and process.
                pieces = await self._db.aread(batch_rows.look, batch.batch_id)
            except DatabaseUnavailable:
                return False
            if pieces is None:
                return await self._stop(batch)
            self._looked[batch.batch_id] = pieces
        if batch.sent and not await self._has_whole_list(batch):
            return True
        altered = await self._db.write_with_retry(
            run_sweeps.fan_out_next, self._ledger, self._looked, self._lists, but
        )
        return True if altered is None else await self._stop(altered)

    async def _has_whole_list(self, batch: run_sweeps.DueBatch) -> bool:
        """Return whether the carrier's do-not-send list is as Loa left it; stop the run where it is not.

        It is read once a minute while something is queued: a million numbers take seconds.
        """
        looked_at = self._lists.get(batch.carrier)
        if looked_at is not None and clock.monotonic() - looked_at < _LIST_S:
            return True
        self._lists.pop(batch.carrier, None)
        problem = await self._db.read_with_retry(opt_out_seal.problem, batch.carrier)
        if not problem:
            self._lists[batch.carrier] = clock.monotonic()
            return True
        await self._db.write_with_retry(_refuse, batch, problem)
        return False

    async def _stop(self, batch: run_sweeps.DueBatch) -> bool:
        self._looked.pop(batch.batch_id, None)
        await self._db.write_with_retry(
            run_content.stop, batch.run_id, batch.campaign_id, batch=batch.batch_id
        )
        return True

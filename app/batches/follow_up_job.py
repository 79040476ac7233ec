"""Make the batch of a follow-up out of the deliveries of earlier campaigns; no number leaves the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, select

from app.batches.import_job import BatchImport, ImportCounts
from app.core.errors import Conflict, Invalid
from app.core.states import BatchState
from app.database.connection import Database
from app.database.models import batches, follow_ups
from app.file_import.lease import is_waiting
from app.ledger import batch_rows, unreached
from app.ledger.unreached import Stretch
from app.observability.faults import Aside

LINES = 50_000  # of an earlier campaign that one transaction looks through, most of which were reached


class FollowUpJob:
    """Make waiting batches one by one, in any process."""

    def __init__(self, db: Database, aside: Aside) -> None:
        self._db, self._aside = db, aside

    async def next(self) -> bool:
        """Make one batch; return whether there may be more. One that fails rests."""
        resting = self._aside.resting()
        batch_id = await self._db.read_with_retry(next_waiting, resting)
        if batch_id is None:
            return False
        making = asyncio.to_thread(make, self._db, batch_id)
        return await self._aside.attempt(batch_id, f"batch {batch_id}", making)


def next_waiting(connection: Connection, but: Sequence[int] = ()) -> int | None:
    """Return a follow-up's batch that nobody is making."""
    b = batches.c
    query = select(batches).join(follow_ups, follow_ups.c.batch_id == b.id)
    query = query.where(b.state == BatchState.IMPORTING.value, b.id.not_in(but)).order_by(b.id)
    return next((row.id for row in connection.execute(query).all() if is_waiting(row)), None)


def make(db: Database, batch_id: int) -> bool:
    """Make the batch from the beginning: it ends ready, or failed and empty. False if somebody else does."""
    job = _FollowUpImport(db, batch_id)
    try:
        batch = job.claim()
        if batch.state != BatchState.READY:  # however often it was broken off: no file can be the cause
            job.fill(batch)
    except Invalid as error:
        job.clear()
        job.fail(error.detail)
    except Conflict:
        return False
    finally:
        job.release()
    return True


class _FollowUpImport(BatchImport):
    """The import of a follow-up's batch; each of its transactions is safe to run twice."""

    def fill(self, batch: Row[Any]) -> None:
        self.clear()
        counts = ImportCounts()
        for stretch in self.db.read(unreached.stretches, self.batch_id, batch.carrier, LINES):
            found = self._write(self._add, stretch, counts)
            counts = replace(counts, lines=counts.lines + found, accepted=counts.accepted + found)
        if not counts.accepted:
            raise Invalid(
                "No subscribers remain at {carrier}: everyone in the chosen outcomes and areas was "
                "or may have been reached, or is on the do-not-send list. Remove this run or "
                "withdraw the campaign.",
                carrier=batch.carrier,
            )
        _, rows_sha256 = self.db.read(batch_rows.hash_rows, self.batch_id)
        self.finish(counts, rows_sha256)

    def _add(self, connection: Connection, stretch: Stretch, before: ImportCounts) -> int:
        """Add one stretch, unless only the answer to its commit was lost: the counter shows that."""
        row = self._lease.row(connection)
        if row.lines > before.lines and row.owner == self._lease.owner:
            return int(row.lines - before.lines)
        try:
            unreached.require_rounds(connection, [stretch.campaign_id])
        except Conflict as error:  # for good: not as where another process makes the batch
            raise Invalid(error.detail) from error
        found = unreached.add_unreached(connection, self.batch_id, stretch, before.lines)
        after = before.lines + found
        self._lease.keep(connection, batches.c.lines == before.lines, lines=after, accepted=after)
        return found

"""Make the batch of a follow-up out of the deliveries of earlier campaigns; no number leaves the database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row

from app.batches.import_job import BatchImport, ImportCounts
from app.core.errors import Conflict, Invalid
from app.core.states import BatchState
from app.database import jobs
from app.database.connection import Database
from app.database.jobs import Job, new_owner
from app.database.models import batches
from app.file_import.leased_import import FOLLOW_UP
from app.ledger import batch_rows, unreached
from app.ledger.unreached import LineRange

LINES = 50_000  # of an earlier campaign that one transaction looks through, most of which were reached


def make(db: Database, job: Job) -> None:
    """Make the job's batch from the beginning: it ends ready, or failed and empty."""
    work = _FollowUpImport(db, int(job.subject.removeprefix("batch ")), job)
    try:
        batch = work.claim()
        if batch.state != BatchState.READY:  # however often it was broken off: no file can be the cause
            work.fill(batch)
    except Invalid as error:
        work.fail(error.detail)


def make_here(db: Database, batch_id: int) -> bool:
    """Make the batch in this process; False while another one does."""
    job = db.write(jobs.claim, Job(FOLLOW_UP, f"batch {batch_id}", new_owner()), early=True)
    if job is not None:
        make(db, job)
    return job is not None


class _FollowUpImport(BatchImport):
    """The import of a follow-up's batch; each of its transactions is safe to run twice."""

    def fill(self, batch: Row[Any]) -> None:
        self.clear()
        counts = ImportCounts()
        for lines in self.db.read(unreached.line_ranges, self.id, batch.carrier, LINES):
            found = self._write(self._add, lines, counts)
            counts = replace(counts, lines=counts.lines + found, accepted=counts.accepted + found)
        if not counts.accepted:
            raise Invalid(
                "No subscribers remain at {carrier}: everyone in the chosen outcomes and areas was "
                "or may have been reached, or is on the do-not-send list. Remove this run or "
                "withdraw the campaign.",
                carrier=batch.carrier,
            )
        _, rows_sha256 = self.db.read(batch_rows.hash_rows, self.id)
        self.finish(counts, rows_sha256)

    def _add(self, connection: Connection, lines: LineRange, before: ImportCounts) -> int:
        """Add one range of lines, unless only the answer to its commit was lost: the counter shows that."""
        row = self.row(connection)
        if row.lines > before.lines and jobs.renew(connection, self.job):
            return int(row.lines - before.lines)
        try:
            unreached.require_rounds(connection, [lines.campaign_id])
        except Conflict as error:  # for good: not as where another process makes the batch
            raise Invalid(error.detail) from error
        found = unreached.add_unreached(connection, self.id, lines, before.lines)
        after = before.lines + found
        self._keep(connection, batches.c.lines == before.lines, lines=after, accepted=after)
        return found

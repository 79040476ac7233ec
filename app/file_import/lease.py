"""An import's job on its file's row: take it, extend it, release it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Row, Select, String, Table, cast, literal, select, update
from sqlalchemy.sql.elements import ColumnElement
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from app.core import clock
from app.core.errors import Conflict, DatabaseUnavailable, Invalid, no_such, passes
from app.core.states import BatchState
from app.database import jobs
from app.database.connection import Database
from app.database.jobs import Job, is_free, new_owner
from app.database.models import batches, receipt_files
from app.database.models import jobs as jobs_table

IMPORT, FOLLOW_UP = "import", "follow-ups"  # kinds of jobs
MOST_TRIES = 3  # for an import whose process keeps dying
_NOUNS = {batches.name: "batch", receipt_files.name: "receipt file"}
_PATIENCE_S = 120.0  # a database may restart during an import

P = ParamSpec("P")
T = TypeVar("T")


def leased(table: Table) -> Select[Any]:
    """Select from the table of batches or of result files, with owner, lease_until and due_at of their jobs.

    They are NULL where no import is under way or waited for.
    """
    j, subject = jobs_table.c, literal(f"{_NOUNS[table.name]} ") + cast(table.c.id, String)
    own = (j.kind.in_((IMPORT, FOLLOW_UP))) & (j.subject == subject)
    return select(table, j.owner, j.lease_until, j.due_at).outerjoin(jobs_table, own)


def is_waiting(row: Row[Any]) -> bool:
    """Return whether this leased row's file is not imported and no living import is at work."""
    return row.state != BatchState.READY and is_free(row.owner, row.lease_until, clock.now_ms())


def came_at(row: Row[Any]) -> int:
    """Return when the row's file came last, or its last import was at work, in ms since 1970."""
    last: int = max(row.created_at, row.due_at or 0, row.lease_until or 0)
    return last


def await_again(connection: Connection, table: Table, row: Row[Any], /, **fresh: Any) -> bool:
    """Return whether the row waits for its file, which has come again; what was failed or erased does anew.

    Its state says so from now on, and survives a stop before the import; its job says since when, as a row
    may be years old.
    """
    if is_waiting(row) and row.state != BatchState.IMPORTING:
        again = jobs.take(connection, _job(table, row.id), early=True)
        if again and jobs.release(connection, again):
            here = update(table).where(table.c.id == row.id, table.c.state == row.state)
            connection.execute(here.values(state=BatchState.IMPORTING, error=None, **fresh))
    return is_waiting(row)


def _job(table: Table, row_id: int) -> Job:
    return Job(IMPORT, f"{_NOUNS[table.name]} {row_id}", new_owner())


class LeasedImport:
    """An import under its job on row `id` of `table`; one that lost its job writes nothing."""

    def __init__(self, db: Database, table: Table, row_id: int, job: Job | None = None) -> None:
        self.db, self.table, self.id = db, table, row_id
        self.job = job or _job(table, row_id)

    def put_off(self) -> None:
        """Let others begin the import at once; this try counts as one that died."""
        self._write(lambda c: jobs.release(c, self.job, tries=self.job.tries))

    def release(self) -> None:
        """Release the job, unless the import was ended or put off."""
        with suppress(DatabaseUnavailable):  # the lease ends by itself
            self.db.write(lambda c: jobs.release(c, self.job, tries=self.job.tries - 1))

    def require_tries(self) -> None:
        """Raise Invalid if imports of this row have died too often."""
        if self.job.tries > MOST_TRIES:
            raise Invalid(
                f"The import was begun {self.job.tries - 1} times and never came to an end: the program died "
                "of it, or was ended each time. Look at the file, save it as “CSV UTF-8” and upload it again."
            )

    def _write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one transaction, repeated while the database is away; DatabaseUnavailable if for too long."""
        repeated = Retrying(
            retry=retry_if_exception(passes),
            wait=wait_random_exponential(0.1, max=2.0),
            stop=stop_after_delay(_PATIENCE_S),
            reraise=True,
        )
        return repeated(lambda: self.db.write(work, *args, **kwargs))

    # ---- Transactions

    def row(self, connection: Connection) -> Row[Any]:
        row = connection.execute(select(self.table).where(self.table.c.id == self.id)).first()
        if row is None:
            raise no_such(_NOUNS[self.table.name], self.id)
        return row

    def _take(self, connection: Connection, /, **fresh: Any) -> Row[Any]:
        """Take the job and set the row to `importing` with the values `fresh`, unless it is ready.

        Return the row as it was before. Conflict while a living import holds it.
        """
        job, row = jobs.take(connection, self.job, early=True), self.row(connection)
        if row.state == BatchState.READY:
            if job:
                jobs.finish(connection, job)
            return row
        if job is None:
            raise Conflict(
                f"{self.job.subject.capitalize()} is being imported already; look at its progress instead."
            )
        self.job = job
        self._set(connection, state=BatchState.IMPORTING, error=None, **fresh)
        return row

    def _keep(self, connection: Connection, /, *also: ColumnElement[bool], **values: Any) -> bool:
        """Extend the lease and write the values if `also` holds; Conflict if the job is lost."""
        if not jobs.renew(connection, self.job):
            raise Conflict(f"{self.job.subject.capitalize()} has been taken over by another import.")
        return not values or self._set(connection, *also, **values)

    def _end(self, connection: Connection, /, **values: Any) -> bool:
        """Finish the job with these values; False if it is lost."""
        return jobs.finish(connection, self.job) and self._set(connection, **values)

    def _set(self, connection: Connection, /, *also: ColumnElement[bool], **values: Any) -> bool:
        own = update(self.table).where(self.table.c.id == self.id, *also)
        return bool(connection.execute(own.values(values)).rowcount)

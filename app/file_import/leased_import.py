"""An import's job on its file's row: take it, extend it, release it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Column, Connection, Row, Select, String, Table, cast, delete, literal, select, update
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
from app.file_import.isolated_reader import ReaderEnded

IMPORT, FOLLOW_UP = "import", "follow-ups"  # kinds of jobs
SLICE = 10_000  # lines of one transaction, for which other writers wait on SQLite
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


class LeasedImport:
    """An import under its job on row `id` of `table`; one that lost its job writes nothing.

    lines: the columns of the row's ID and of the line's number in each table that it fills; nothing: the
    values of a row of which nothing is read.
    """

    table: ClassVar[Table]
    lines: ClassVar[Sequence[tuple[Column[Any], Column[Any]]]]
    nothing: ClassVar[Mapping[str, Any]]

    def __init__(self, db: Database, row_id: int, job: Job | None = None) -> None:
        self.db, self.id, self.job = db, row_id, job or self._job(row_id)

    @classmethod
    def _job(cls, row_id: int) -> Job:
        return Job(IMPORT, f"{_NOUNS[cls.table.name]} {row_id}", new_owner())

    @classmethod
    def await_again(cls, connection: Connection, row: Row[Any]) -> bool:
        """Return whether the leased row waits for its file, which has come again.

        What was failed or erased does anew: its state says so from now on, and survives a stop before the
        import; its job says since when, as a row may be years old.
        """
        if is_waiting(row) and row.state != BatchState.IMPORTING:
            again = jobs.take(connection, cls._job(row.id), early=True)
            if again and jobs.release(connection, again):
                here = update(cls.table).where(cls.table.c.id == row.id, cls.table.c.state == row.state)
                connection.execute(here.values(state=BatchState.IMPORTING, error=None, **cls.nothing))
        return is_waiting(row)

    def claim(self) -> Row[Any]:
        """Take the job and return the row, also if it is ready. Raises Conflict during another import."""
        return self._write(self._take)

    @contextmanager
    def ending(self) -> Iterator[None]:
        """End the claimed import with the block: failed where the file can't be used, else let go."""
        try:
            if self.job.tries > MOST_TRIES:
                raise Invalid(
                    "The import was started {n} times but never finished, because the program crashed or "
                    "was stopped. Check the file, save it as “CSV UTF-8” and upload it again.",
                    n=self.job.tries - 1,
                )
            yield
        except Invalid as error:
            self.fail(error.detail)
            raise
        except ReaderEnded:  # this try counts as one that died
            self._write(lambda c: jobs.release(c, self.job, tries=self.job.tries))
            raise
        finally:
            self.release()

    def clear(self) -> None:
        """Remove all that was read."""
        self._write(self._keep, **self.nothing)
        while self._write(self._clear):
            pass

    def fail(self, sentence: str) -> None:
        self.clear()
        self._write(self._end, state=BatchState.FAILED, error=sentence)

    def release(self) -> None:
        """Release the job, unless the import was ended or put off."""
        with suppress(DatabaseUnavailable):  # the lease ends by itself
            self.db.write(lambda c: jobs.release(c, self.job, tries=self.job.tries - 1))

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

    def _take(self, connection: Connection) -> Row[Any]:
        """Take the job and set the row to `importing`, unless it is ready; return the row as it was before.

        Conflict while a living import holds it.
        """
        job, row = jobs.take(connection, self.job, early=True), self.row(connection)
        if row.state == BatchState.READY:
            if job:
                jobs.finish(connection, job)
            return row
        if job is None:
            raise Conflict(
                "{what} {id} is already being imported. See its progress.",
                what=_NOUNS[self.table.name].capitalize(),
                id=self.id,
            )
        self.job = job
        self._set(connection, state=BatchState.IMPORTING, error=None)
        return row

    def _clear(self, connection: Connection) -> int:
        self._keep(connection)
        return sum(self._clear_some(connection, *each) for each in self.lines)

    def _clear_some(self, connection: Connection, column: Column[Any], number: Column[Any]) -> int:
        own = column == self.id
        found = connection.execute(select(number).where(own).order_by(number).limit(SLICE)).scalars().all()
        if found:
            connection.execute(delete(number.table).where(own, number <= found[-1]))
        return len(found)

    def _keep(self, connection: Connection, /, *also: ColumnElement[bool], **values: Any) -> bool:
        """Extend the lease and write the values if `also` holds; Conflict if the job is lost."""
        if not jobs.renew(connection, self.job):
            noun = _NOUNS[self.table.name].capitalize()
            raise Conflict("{what} {id} was taken over by another import.", what=noun, id=self.id)
        return not values or self._set(connection, *also, **values)

    def _end(self, connection: Connection, /, **values: Any) -> bool:
        """Finish the job with these values; False if it is lost."""
        return jobs.finish(connection, self.job) and self._set(connection, **values)

    def _set(self, connection: Connection, /, *also: ColumnElement[bool], **values: Any) -> bool:
        own = update(self.table).where(self.table.c.id == self.id, *also)
        return bool(connection.execute(own.values(values)).rowcount)

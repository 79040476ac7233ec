"""One import at work on one batch: its lease, and each of its transactions, safe to run twice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Column, Connection, Row, Table, delete, select, update
from sqlalchemy.sql.elements import ColumnElement
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from app import audit, clock
from app.batches.owner import is_waiting, new_owner
from app.batches.sift import SLICE, Slice
from app.batches.store import store
from app.db import Database
from app.errors import Away, Conflict, NotFound
from app.models import bad_lines, batches, subscribers
from app.states import BatchState

LEASE_MS = 60_000  # a slice takes well under a second: only a dead import goes without one so long
_PATIENCE_S = 120.0  # a database may restart in mid-import

P = ParamSpec("P")
T = TypeVar("T")


_STORED = ("lines", "accepted", "rejected", "repeated", "other_range", "bytes_read")


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the lines: accepted + rejected + repeated = lines. Blank lines are none.

    other_range: accepted numbers of ranges that another carrier holds; bytes_read: of the file.
    unknown_areas, unknown_languages: accepted lines that lost their area or language; known at the end of
    an import, and kept in its audit note only.
    """

    lines: int = 0
    accepted: int = 0
    rejected: int = 0
    repeated: int = 0
    other_range: int = 0
    bytes_read: int = 0
    unknown_areas: int = 0
    unknown_languages: int = 0

    def plus(self, done: Slice, position: int) -> Counts:
        """The counts after one more slice, read up to `position`."""
        return Counts(
            lines=self.lines + done.lines,
            accepted=self.accepted + len(done.good),
            rejected=self.rejected + len(done.bad) - done.repeated,
            repeated=self.repeated + done.repeated,
            other_range=self.other_range + done.other_range,
            bytes_read=position,
        )

    def stored(self) -> dict[str, int]:
        """Values for the columns of the batch, which have the same names."""
        return {name: getattr(self, name) for name in _STORED}


def counts_of(batch: Row[Any]) -> Counts:
    """The counts that a batch has."""
    return Counts(**{name: getattr(batch, name) for name in _STORED})


@dataclass(frozen=True, slots=True)
class Job:
    """`owner` is the fencing token: an import that lost its batch writes nothing more."""

    db: Database
    batch_id: int
    owner: str = field(default_factory=new_owner)

    def claim(self) -> Row[Any]:
        """Take the batch, or find it ready; Conflict while a living import holds it."""
        return self._write(self._claim)

    def clear(self) -> None:
        """Delete, slice by slice, what an earlier import left."""
        while self._write(self._clear):
            pass

    def store(self, done: Slice, before: Counts, after: Counts) -> None:
        """Write one slice and its counters."""
        if after.lines > before.lines:
            self._write(self._store, done, before, after)

    def finish(self, counts: Counts) -> None:
        """Make the batch ready, with a note of what was found."""
        self._write(self._finish, counts)

    def fail(self, sentence: str) -> None:
        """Leave the batch failed and empty."""
        self._write(self._end, state=BatchState.FAILED, error=sentence, **Counts().stored())

    def release(self) -> None:
        """Let others take the batch, where this import has neither finished nor failed it."""
        with suppress(Away):  # the lease ends by itself
            self.db.write(self._end)

    def _write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`db.write`, repeated while the database is away."""
        patiently = Retrying(
            retry=retry_if_exception_type(Away),
            wait=wait_random_exponential(0.1, max=2.0),
            stop=stop_after_delay(_PATIENCE_S),
            reraise=True,
        )
        result: T = patiently(self.db.write, work, *args, **kwargs)
        return result

    # ---- transactions ----------------------------------------------------------------------------------

    def _batch(self, connection: Connection) -> Row[Any]:
        row = connection.execute(select(batches).where(batches.c.id == self.batch_id)).first()
        if row is None:
            raise NotFound(f"There is no batch {self.batch_id}.")
        return row

    def _claim(self, connection: Connection) -> Row[Any]:
        c, batch = batches.c, self._batch(connection)
        if batch.state == BatchState.READY:
            return batch
        values = {"owner": self.owner, "lease_until": clock.now_ms() + LEASE_MS, "error": None}
        unchanged = (
            c.owner.is_not_distinct_from(batch.owner),
            c.lease_until.is_not_distinct_from(batch.lease_until),
        )
        take = update(batches).where(c.id == self.batch_id, c.state == batch.state, *unchanged)
        take = take.values(state=BatchState.IMPORTING, **values, **Counts().stored())
        free = batch.owner == self.owner or is_waiting(batch)
        if not (free and connection.execute(take).rowcount):
            raise Conflict(f"Batch {self.batch_id} is being imported already; look at its progress instead.")
        return batch

    def _hold(self, connection: Connection, *also: ColumnElement[bool], **values: Any) -> bool:
        """Prolong the lease and write the values, if `also` holds; Conflict when the batch is lost."""
        c = batches.c
        held = update(batches).where(c.id == self.batch_id, c.owner == self.owner, *also)
        if connection.execute(held.values(lease_until=clock.now_ms() + LEASE_MS, **values)).rowcount:
            return True
        if self._batch(connection).owner != self.owner:
            raise Conflict(f"Batch {self.batch_id} has been taken over by another import.")
        return False

    def _clear(self, connection: Connection) -> int:
        self._hold(connection)
        pairs = ((subscribers, subscribers.c.seq), (bad_lines, bad_lines.c.line))
        return sum(self._clear_table(connection, table, number) for table, number in pairs)

    def _clear_table(self, connection: Connection, table: Table, number: Column[int]) -> int:
        ours = table.c.batch_id == self.batch_id
        numbers = connection.execute(select(number).where(ours).order_by(number).limit(SLICE)).scalars().all()
        if numbers:
            connection.execute(delete(table).where(ours, number <= numbers[-1]))
        return len(numbers)

    def _store(self, connection: Connection, done: Slice, before: Counts, after: Counts) -> None:
        # The counters tell whether this slice is in already: its commit's answer may have been lost.
        if self._hold(connection, batches.c.lines == before.lines, **after.stored()):
            store(connection, subscribers, done.good)
            store(connection, bad_lines, done.bad)

    def _finish(self, connection: Connection, counts: Counts) -> None:
        batch = self._batch(connection)
        if self._end(connection, state=BatchState.READY, bytes_read=batch.bytes):
            audit.note(
                connection, batch.created_by, "batch.import", f"batch {self.batch_id}", **asdict(counts)
            )

    def _end(self, connection: Connection, /, **values: Any) -> bool:
        c = batches.c
        end = update(batches).where(c.id == self.batch_id, c.owner == self.owner)
        return bool(connection.execute(end.values(owner=None, lease_until=None, **values)).rowcount)

"""The import of one result file: each of its transactions is safe to run twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update

from app.core import clock
from app.core.errors import DatabaseUnavailable, Invalid
from app.core.phone import mask
from app.core.states import BatchState
from app.database.connection import Database
from app.database.models import receipt_files, receipt_lines
from app.file_import.bulk_insert import by_column, store
from app.file_import.lease import ImportLease, retry_while_unavailable
from app.ledger.ledger import Ledger
from app.receipts.result_files.apply import LineVerdict, ResultFile, apply_lines, counted, links_of
from app.receipts.result_files.line_parser import COLUMNS, REASONS, SLICE, ParsedLines
from app.receipts.result_files.match_deliveries import ResultLine, runs_of
from app.receipts.result_files.verdicts import OF_LINES
from app.security import audit
from carriers.contract import ReceiptLevel

PAGE = 1000  # lines of one transaction of receipts
MOST = 500  # lines per number; a table with more is no result file
_C = receipt_lines.c
_UPDATE = (
    update(receipt_lines)
    .where(_C.file_id == bindparam("of_file"), _C.line == bindparam("of_line"))
    .values(
        verdict=bindparam("verdict"),
        campaign_id=bindparam("campaign_id"),
        batch_id=bindparam("batch_id"),
        seq=bindparam("seq"),
    )
)

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: lines and bytes read, then lines with a verdict."""

    lines: int = 0
    bytes_read: int = 0
    judged: int = 0


def fresh() -> dict[str, Any]:
    """Return the values of a file of which nothing is read."""
    empty = {"lines": 0, "bytes_read": 0, "applied_upto": None, "first_at": None, "last_at": None}
    return empty | {"runs": None} | dict.fromkeys((verdict.value for verdict in OF_LINES), 0)


class ResultFileImport:
    """An import that holds its file under a lease."""

    def __init__(self, db: Database, file_id: int) -> None:
        self.db = db
        self.file_id = file_id
        self._lease = ImportLease(receipt_files, file_id, "receipt file")

    def claim(self) -> Row[Any]:
        """Lease the file and return its row, also if it is ready. Raises Conflict during another import."""
        return self._write(self._lease.take)

    def row(self, connection: Connection) -> Row[Any]:
        return self._lease.row(connection)

    def progress(self) -> Progress:
        file = self.db.read(self.row)
        judged = sum(getattr(file, verdict.value) for verdict in OF_LINES)
        return Progress(file.lines, file.bytes_read, judged)

    def clear(self) -> None:
        self._write(self._lease.keep, **fresh())
        while self._write(self._clear):
            pass

    def store(self, done: ParsedLines, before: Progress, after: Progress) -> None:
        self._write(self._store, done, before, after)

    def end_reading(self) -> None:
        """Mark the file as read: a restart continues there. Raises Invalid if it is no result file."""
        size = self.db.read(self._check)
        self._write(self._lease.keep, applied_upto=0, bytes_read=size)

    def source(self) -> ResultFile:
        return self.db.read(self._source)

    def apply(self, ledger: Ledger, source: ResultFile) -> int:
        """Apply the lines of the next numbers in one transaction; return how many, 0 at the end."""
        return self._write(self._apply, ledger, source)

    def finish(self, runs: Sequence[dict[str, int]]) -> None:
        """Mark the file ready; `runs`: what was sent and is missing in it, by run."""
        self._write(self._finish, runs)

    def fail(self, sentence: str) -> None:
        self._write(self._lease.end, state=BatchState.FAILED, error=sentence, **fresh())

    def put_off(self) -> None:
        """Release the file for another try; this one counts."""
        self._write(self._lease.put_off)

    def release(self) -> None:
        """Release the file unless this import finished or failed it."""
        with suppress(DatabaseUnavailable):  # the lease ends by itself
            self.db.write(self._lease.release)

    def _write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return retry_while_unavailable(lambda: self.db.write(work, *args, **kwargs))

    # ---- Transactions

    def _clear(self, connection: Connection) -> int:
        self._lease.keep(connection)
        own = _C.file_id == self.file_id
        lines = connection.execute(select(_C.line).where(own).order_by(_C.line).limit(SLICE)).scalars().all()
        if lines:
            connection.execute(delete(receipt_lines).where(own, _C.line <= lines[-1]))
        return len(lines)

    def _store(self, connection: Connection, done: ParsedLines, before: Progress, after: Progress) -> None:
        f, file = receipt_files.c, self.row(connection)
        span = ParsedLines(first_at=file.first_at, last_at=file.last_at)
        span.span(done.first_at)
        span.span(done.last_at)
        values = {"lines": after.lines, "bytes_read": after.bytes_read, "bad": file.bad + done.bad}
        values |= {"first_at": span.first_at, "last_at": span.last_at}
        # The counter shows whether this slice is stored already: the answer to its commit may have been lost.
        if self._lease.keep(connection, f.lines == before.lines, **values):
            store(connection, receipt_lines, by_column(done.rows), COLUMNS)

    def _check(self, connection: Connection) -> int:
        file = self.row(connection)
        if not file.lines:
            raise Invalid("The file has no lines below its header.")
        if file.bad == file.lines:
            raise Invalid(
                f"None of the {file.lines} lines can be read; the first: {self._first_bad(connection)}"
            )
        often = select(_C.phone, func.count()).where(_C.file_id == self.file_id, _C.phone.is_not(None))
        row = connection.execute(often.group_by(_C.phone).having(func.count() > MOST).limit(1)).first()
        if row is not None:
            raise Invalid(f"The number {mask(row[0])} stands on {row[1]} lines: this is no result file.")
        return int(file.bytes)

    def _first_bad(self, connection: Connection) -> str:
        query = select(_C.line, _C.why, _C.said).where(_C.file_id == self.file_id).order_by(_C.line).limit(1)
        row = connection.execute(query).one()
        return f"line {row.line}, “{row.said}”. {REASONS[row.why].en}"

    def _source(self, connection: Connection) -> ResultFile:
        file = self.row(connection)
        return ResultFile(
            file.id,
            runs_of(connection, file),
            named=file.campaign_id is not None,
            level=None if file.level is None else ReceiptLevel(file.level),
            links=links_of(connection, file.carrier),
        )

    def _apply(self, connection: Connection, ledger: Ledger, source: ResultFile) -> int:
        f, file = receipt_files.c, self.row(connection)
        lines = self._next(connection, file.applied_upto)
        if not lines:
            return 0
        verdicts, _ = apply_lines(connection, ledger, source, lines)
        counts = {name: getattr(file, name) + n for name, n in counted(verdicts).items()}
        upto = {"applied_upto": lines[-1].phone}
        if self._lease.keep(connection, f.applied_upto == file.applied_upto, **upto, **counts):
            connection.execute(_UPDATE, [self._row(each) for each in verdicts])
        return len(lines)

    def _next(self, connection: Connection, after: int) -> list[ResultLine]:
        """Return the lines of the next numbers, always all those of a number."""
        columns = [_C[name] for name in ResultLine._fields]
        query = select(*columns).where(_C.file_id == self.file_id, _C.phone > after)
        rows = connection.execute(query.order_by(_C.phone, _C.line).limit(PAGE)).all()
        cut = rows[-1].phone if len(rows) == PAGE else None  # may lack some of that number's lines
        return [ResultLine(*row) for row in rows if row.phone != cut]

    def _row(self, of: LineVerdict) -> dict[str, Any]:
        key = of.key._asdict() if of.key else {"campaign_id": None, "batch_id": None, "seq": None}
        return {"of_file": self.file_id, "of_line": of.line, "verdict": of.verdict.value, **key}

    def _finish(self, connection: Connection, runs: Sequence[dict[str, int]]) -> None:
        file = self.row(connection)
        # The number up to which it was applied would outlive the lines and the person's erasure.
        values = {"state": BatchState.READY, "runs": list(runs), "ended_at": clock.now_ms()}
        values["applied_upto"] = None
        if self._lease.end(connection, **values):
            counts = {verdict.value: getattr(file, verdict.value) for verdict in OF_LINES}
            detail = {"lines": file.lines, **counts}
            audit.note(connection, file.created_by, "receipts.import", f"receipt-file/{file.id}", **detail)

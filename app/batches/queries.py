"""Read batches and their bad lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from app.batches.row_parser import KEPT, REASONS
from app.core import clock
from app.core.errors import no_such
from app.core.states import BatchState
from app.database.listing import ListColumns, ListPart, ListRequest, part, without_marks
from app.database.models import bad_lines, batches
from app.database.records import from_row
from app.file_import.cells import csv_pieces, safe
from carriers.phrases import Phrase

_PAGE = 1000
COLUMNS = ListColumns(
    batches.c.id,
    batches.c.created_at,
    names=[batches.c.name],
    orders={
        "name": without_marks(batches.c.name),
        "people": batches.c.accepted,
        "bad": batches.c.rejected,
        "made": batches.c.id,
    },
)


@dataclass(frozen=True, slots=True)
class Batch:
    """One file's subscribers; accepted + rejected + repeated = lines, also during the import.

    bytes: of the file, as bytes_read; percent: of the import; other_range: accepted numbers in ranges of
    another carrier (perhaps ported); error: why the import failed.
    """

    id: int
    carrier: str
    name: str
    sha256: str
    state: BatchState
    percent: int
    lines: int
    accepted: int
    rejected: int
    repeated: int
    other_range: int
    bytes: int
    bytes_read: int
    error: str | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line without a subscriber: its number in the file, the reason (key and words), its masked value."""

    line: int
    reason: str
    reason_en: str
    reason_vi: str
    value: str


def get(connection: Connection, batch_id: int, carrier: str | None = None) -> Batch:
    """Return one batch. Raises NotFound, also if it is not of `carrier`."""
    query = _visible(carrier).where(batches.c.id == batch_id)
    row = connection.execute(query).first()
    if row is None:
        raise no_such("batch", batch_id)
    return _batch(row)


@dataclass(frozen=True, slots=True)
class BatchFilter:
    """Which batches to return: of one carrier, in one state, created then or later."""

    carrier: str | None = None
    state: BatchState | None = None
    since: datetime | None = None

    def query(self) -> Any:
        query = _visible(self.carrier)
        if self.state is None:  # a failed one that was discarded has no line
            query = query.where(or_(batches.c.state != BatchState.ERASED, batches.c.lines > 0))
        else:
            query = query.where(batches.c.state == self.state)
        return query if self.since is None else query.where(batches.c.created_at >= clock.to_ms(self.since))


def listed(
    connection: Connection, request: ListRequest | int, limit: int, criteria: BatchFilter = BatchFilter()
) -> ListPart[Batch]:
    return part(connection, criteria.query(), COLUMNS, request, limit).of(_batch)


def bad_lines_page(
    connection: Connection, batch_id: int, request: ListRequest | int, limit: int
) -> ListPart[BadLine]:
    query = select(bad_lines).where(bad_lines.c.batch_id == batch_id)
    return part(connection, query, ListColumns(bad_lines.c.line), request, limit).of(_bad_line)


def all_bad_lines(read: Callable[..., ListPart[BadLine]], batch_id: int) -> Iterator[BadLine]:
    """Yield every bad line, fetched page by page with `read`, which is Database.read."""
    after = 0
    while lines := read(bad_lines_page, batch_id, after, _PAGE).items:
        yield from lines
        after = lines[-1].line


def _visible(carrier: str | None) -> Any:
    query = select(batches)
    return query.where(batches.c.carrier == carrier) if carrier else query


def _batch(row: Row[Any]) -> Batch:
    return from_row(Batch, row, percent=_percent(row))


def _percent(row: Row[Any]) -> int:
    """100 only when ready: the last slice is read before it is written."""
    if row.state in (BatchState.READY, BatchState.ERASED):
        return 100
    return int(min(99, row.bytes_read * 100 // max(row.bytes, 1)))


def _bad_line(row: Row[Any]) -> BadLine:
    words = REASONS[row.reason]
    return BadLine(row.line, row.reason, words.en, words.vi, row.value)


# ---- CSV for Excel

HEADER = ("line", "reason", "reason in words", "lý do", "value")


def bad_lines_csv(lines: Iterable[BadLine], bad: int) -> Iterator[str]:
    """Yield the CSV in pieces; `bad`: how many bad lines there are, of which at most KEPT are stored."""
    rows = ([line.line, line.reason, line.reason_en, line.reason_vi, safe(line.value)] for line in lines)
    return csv_pieces(HEADER, chain(rows, _rest(bad - KEPT)))


def _rest(count: int) -> Iterator[list[str]]:
    if count > 0:
        english = Phrase("{n} more bad lines were counted but not stored.", n=count)
        yield ["", "", english, f"Còn {count} dòng lỗi nữa chỉ được đếm, không lưu từng dòng.", ""]

"""The import of one batch: each of its transactions is safe to run twice."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row

from app.batches.row_parser import ParsedRows
from app.core.states import BatchState
from app.database.models import bad_lines, batches, subscribers
from app.file_import.bulk_insert import by_column, store
from app.file_import.leased_import import LeasedImport
from app.security import audit

_STORED = ("lines", "accepted", "rejected", "repeated", "other_range", "bytes_read")


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """What became of the lines: accepted + rejected + repeated = lines. Blank lines are not counted.

    other_range: accepted numbers in ranges of another carrier; bytes_read: of the file. unknown_areas:
    accepted lines that lost their area; languages_ignored: lines with a language, which is not kept;
    short_rows: lines with a number and fewer cells than the header; these three are only known at the end,
    and kept only in the audit.
    """

    lines: int = 0
    accepted: int = 0
    rejected: int = 0
    repeated: int = 0
    other_range: int = 0
    bytes_read: int = 0
    unknown_areas: int = 0
    languages_ignored: int = 0
    short_rows: int = 0

    def plus(self, done: ParsedRows, position: int) -> ImportCounts:
        return ImportCounts(
            lines=self.lines + done.lines,
            accepted=self.accepted + len(done.good),
            rejected=self.rejected + done.refused - done.repeated,
            repeated=self.repeated + done.repeated,
            other_range=self.other_range + done.other_range,
            bytes_read=position,
        )

    def stored(self) -> dict[str, int]:
        """Return the batch's columns, which have the same names."""
        return {name: getattr(self, name) for name in _STORED}


def counts_of(batch: Row[Any]) -> ImportCounts:
    return ImportCounts(**{name: getattr(batch, name) for name in _STORED})


class BatchImport(LeasedImport):
    """An import that holds its batch under a lease."""

    table, nothing = batches, ImportCounts().stored()
    lines = ((subscribers.c.batch_id, subscribers.c.seq), (bad_lines.c.batch_id, bad_lines.c.line))

    def store(self, done: ParsedRows, before: ImportCounts, after: ImportCounts) -> None:
        if after.lines > before.lines:
            self._write(self._store, done, before, after)

    def finish(self, counts: ImportCounts, rows_sha256: str) -> None:
        """Mark the batch ready, with an audit of the counts and the hash of its subscribers."""
        self._write(self._finish, counts, rows_sha256)

    # ---- Transactions

    def _store(
        self, connection: Connection, done: ParsedRows, before: ImportCounts, after: ImportCounts
    ) -> None:
        # The counters show whether this slice is stored already: the answer to its commit may have been lost.
        if self._keep(connection, batches.c.lines == before.lines, **after.stored()):
            store(connection, subscribers, done.good.columns(self.id))
            store(connection, bad_lines, by_column(done.bad))

    def _finish(self, connection: Connection, counts: ImportCounts, rows_sha256: str) -> None:
        batch, bound = self.row(connection), {"rows_sha256": rows_sha256}
        if self._end(connection, state=BatchState.READY, bytes_read=batch.bytes, **bound):
            said = asdict(counts) | bound
            audit.note(connection, batch.created_by, "batch.import", f"batch/{self.id}", **said)

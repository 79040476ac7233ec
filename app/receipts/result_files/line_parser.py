"""Turns the rows of a result file into rows of its table: what a line says, or why it can't be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.core import clock
from app.core.phone import normalise
from app.file_import.cells import VALUE_LENGTH, shown
from app.file_import.reader import Reader
from app.file_import.row_blocks import Row, UnreadableLine
from app.receipts.result_files.columns import RESULTS
from app.receipts.result_files.parse_time import read_time
from app.receipts.result_files.reasons import NO_STATUS, STATUS_WORD, TIME
from app.receipts.result_files.status_words import StatusWords
from app.receipts.result_files.verdicts import ResultVerdict

SLICE = 10_000  # lines of one transaction: on SQLite, other writers wait no longer than that
KEPT = 100_000  # bad lines of a file that are kept one by one; the rest is counted
COLUMNS = (
    *("file_id", "line", "phone", "done_at", "status", "reason"),
    *("said", "code", "reference", "why", "verdict"),
)


@dataclass(slots=True)
class ParsedLines:
    """Up to SLICE lines in COLUMNS, how many are bad, and the span of their times in ms.

    left_out: bad lines that are not among `rows`, since enough of them are kept.
    """

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    bad: int = 0
    left_out: int = 0
    first_at: int | None = None
    last_at: int | None = None

    @property
    def lines(self) -> int:
        """Lines in the slice, kept or not."""
        return len(self.rows) + self.left_out

    def span(self, at: int | None) -> None:
        """Let the span hold this time as well."""
        if at is not None:
            self.first_at = at if self.first_at is None else min(at, self.first_at)
            self.last_at = at if self.last_at is None else max(at, self.last_at)


class LineParser:
    """Reads the cells of one file's lines by one carrier's words."""

    def __init__(self, file_id: int, words: StatusWords) -> None:
        self._file_id = file_id
        self._words = words
        self._kept = 0
        self._latest = clock.now_ms() + clock.DAY_MS  # the carrier's clock may be ahead, not by more

    def slices(self, rows: Iterable[Row | UnreadableLine], size: int = SLICE) -> Iterator[ParsedLines]:
        """Every line lands in exactly one slice; rows of blanks only are none."""
        current = ParsedLines()
        for row in rows:
            if isinstance(row, UnreadableLine):
                self._refuse(current, row.line, row.reason, row.value)
            elif any(map(str.strip, row[1:])):
                self._sift(current, row)
            if current.lines == size:
                yield current
                current = ParsedLines()
        if current.lines:
            yield current

    def _sift(self, current: ParsedLines, row: Row) -> None:
        line, raw_phone, raw_status, raw_time, code, reason, reference = row
        phone, meaning = normalise(raw_phone), self._words.meaning(raw_status)
        at = self._time(raw_time)
        if isinstance(phone, str):
            self._refuse(current, line, phone, raw_phone)
        elif meaning is None:
            self._refuse(current, line, STATUS_WORD if raw_status.strip() else NO_STATUS, raw_status)
        elif at is None and raw_time.strip():
            self._refuse(current, line, TIME, raw_time)
        else:
            why = meaning.reason or self._words.reason(reason)
            kept = (shown(raw_status), _cell(code) or _cell(reason), _cell(reference))
            said = (phone, at, meaning.status.value, int(why), *kept)
            current.rows.append((self._file_id, line, *said, None, None))
            current.span(at)

    def _time(self, raw: str) -> int | None:
        at = read_time(raw) if raw else None
        return at if at is not None and at <= self._latest else None

    def _refuse(self, current: ParsedLines, line: int, why: str, raw: str) -> None:
        current.bad += 1
        if self._kept == KEPT:
            current.left_out += 1
            return
        self._kept += 1
        nothing = (None, None, None, 0)
        current.rows.append(
            (self._file_id, line, *nothing, shown(raw), None, None, why, ResultVerdict.BAD.value)
        )


def _cell(raw: str) -> str | None:
    return raw.strip()[:VALUE_LENGTH] or None


def parsed_lines(path: Path, file_id: int, words: StatusWords) -> Iterator[tuple[ParsedLines, int]]:
    """The slices of a file, each with how many bytes have been read; it needs no database."""
    reader = Reader(path, RESULTS)
    for done in LineParser(file_id, words).slices(reader):
        yield done, reader.position

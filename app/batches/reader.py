"""Rows of an uploaded file, CSV or XLSX, streamed in constant memory."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from app.batches.columns import HEAD_ROWS, Layout, find_layout, no_layout
from app.batches.sheets import sheet_rows
from app.batches.source import LINE_LIMIT, UNPACKED_LIMIT, Lines, line_blocks, readable
from app.errors import Invalid

_DELIMITERS = ",;\t|"
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"

# Line number in the file, then the cells of phone, area and language as they stand there.
Row = tuple[int, str, str, str]


class BadLine(NamedTuple):
    """A line that gives no cells: `reason` is a key of app.batches.reasons."""

    line: int
    reason: str
    value: str


class Reader:
    """Iterate once over the rows of one file; `position` is how many of its bytes have been read.

    Blank lines are no lines: they are numbered and left out. Invalid for a file that can't be used.
    """

    def __init__(self, path: Path, limit: int = UNPACKED_LIMIT) -> None:
        self._path = path
        self._limit = limit
        self._file: BinaryIO | None = None
        self._position = 0

    @property
    def position(self) -> int:
        """Bytes of the file (not of what it unpacks to) read so far."""
        if self._file and not self._file.closed:
            self._position = self._file.tell()
        return self._position

    def __iter__(self) -> Iterator[Row | BadLine]:
        with readable(), self._path.open("rb") as self._file:
            magic = self._file.read(4)
            self._file.seek(0)
            if magic == _OLE:
                raise Invalid(
                    "This is an old .xls workbook or one with a password. Save it without a password "
                    "as .xlsx or “CSV UTF-8” and upload it again."
                )
            if magic == _ZIP:
                yield from sheet_rows(self._file, self._limit)
            else:
                yield from _csv_rows(line_blocks(self._file, self._limit))
            self._position = self._file.tell()


def read_rows(path: Path) -> Iterator[Row | BadLine]:
    """The rows of a file; see Reader."""
    return iter(Reader(path))


def _csv_rows(blocks: Iterator[Lines]) -> Iterator[Row | BadLine]:
    head = next((block for block in blocks if any(line.strip() for line in block.lines)), Lines(1, []))
    delimiter, layout = _csv_layout(head.lines)
    yield from _rows(Lines(head.first + layout.data, head.lines[layout.data :]), delimiter, layout)
    for block in blocks:
        yield from _rows(block, delimiter, layout)


def _csv_layout(lines: Sequence[str]) -> tuple[str, Layout]:
    """The delimiter under which the head of the file makes sense, and its columns."""
    head = [line[:LINE_LIMIT] for line in lines[:HEAD_ROWS]]
    if head and head[0][:4].lower() == "sep=":  # a hint that Excel writes and reads
        head[0] = ""
    for delimiter in _DELIMITERS:
        layout = find_layout([_cells(line, delimiter) or [] for line in head])
        if layout:
            return delimiter, layout
    delimiter = max(_DELIMITERS, key="".join(head).count)
    raise no_layout([_cells(line, delimiter) or [] for line in head])


def _rows(block: Lines, delimiter: str, layout: Layout) -> Iterator[Row | BadLine]:
    """The rows of a block at full speed, up to the first line that csv can't take; the rest with care."""
    phone, area, lang, _ = layout
    least, done = max(phone, area, lang) + 1, 0
    if max(map(len, block.lines), default=0) <= LINE_LIMIT:
        reader = csv.reader(block.lines, delimiter=delimiter, strict=True, skipinitialspace=True)
        with suppress(csv.Error):
            for row in reader:
                if reader.line_num != done + 1:
                    break  # an open quotation mark has swallowed the end of its line
                done += 1
                if row:
                    if len(row) < least:
                        row += [""] * (least - len(row))
                    row.append("")  # what an absent column, -1, finds
                    yield block.first + done - 1, row[phone], row[area], row[lang]
    yield from _careful(Lines(block.first + done, block.lines[done:]), delimiter, layout)


def _careful(block: Lines, delimiter: str, layout: Layout) -> Iterator[Row | BadLine]:
    """Line by line: a stray quotation mark or an endless line costs itself only."""
    phone, area, lang, _ = layout
    for number, line in enumerate(block.lines, block.first):
        row = _cells(line, delimiter)
        if len(line) > LINE_LIMIT:
            yield BadLine(number, "long_line", line[:LINE_LIMIT])
        elif row is None:
            yield BadLine(number, "quotes", line)
        elif row:
            row += [""] * (max(phone, area, lang) + 1 - len(row)) + [""]
            yield number, row[phone], row[area], row[lang]


def _cells(line: str, delimiter: str) -> list[str] | None:
    """The cells of one line; None where its quotation marks don't match."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True), [])
    except csv.Error:
        return None

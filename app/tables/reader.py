"""Rows of a table that somebody sent, CSV or XLSX, streamed in constant memory."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from app.errors import Invalid
from app.phone import Sentence
from app.tables.columns import HEAD_ROWS, Columns, Layout
from app.tables.source import LINE_LIMIT, UNPACKED_LIMIT, Lines, line_blocks, readable

_DELIMITERS = ",;\t|"
_AT_ONCE = 1000
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"

# Line number in the file, then the cells of the columns in their order, as they stand there.
Row = tuple[Any, ...]


LINE_REASONS = {
    "long_line": Sentence("The line is too long to be one row.", "Dòng quá dài."),
    "quotes": Sentence(
        "The quotation marks of the line don't match.", "Dấu ngoặc kép trong dòng không khớp nhau."
    ),
}


class Block(NamedTuple):
    """Rows column by column, which is several times faster where there are many: `cells` of each column."""

    numbers: Sequence[int]
    cells: tuple[Sequence[str], ...]

    def part(self, start: int, upto: int) -> Block:
        """Rows from one place up to another."""
        return Block(self.numbers[start:upto], tuple(column[start:upto] for column in self.cells))


class BadLine(NamedTuple):
    """A line that gives no cells: `reason` is a key of LINE_REASONS."""

    line: int
    reason: str
    value: str


class Reader:
    """Go once over the rows or the blocks of one file; `position`: how many of its bytes have been read.

    Blank lines are no lines: they are numbered and left out. Invalid for a file that can't be used.
    """

    def __init__(self, path: Path, columns: Columns, limit: int = UNPACKED_LIMIT) -> None:
        self._path = path
        self._columns = columns
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
        for block in self.blocks():
            if isinstance(block, BadLine):
                yield block
            else:
                yield from zip(block.numbers, *block.cells, strict=True)

    def blocks(self) -> Iterator[Block | BadLine]:
        """The rows in their order, in blocks as large as they were read."""
        with readable(), self._path.open("rb") as self._file:
            magic = self._file.read(4)
            self._file.seek(0)
            if magic == _OLE:
                raise Invalid(
                    "This is an old .xls workbook or one with a password. Save it without a password "
                    "as .xlsx or “CSV UTF-8” and upload it again."
                )
            if magic == _ZIP:
                from app.tables.sheets import sheet_rows  # openpyxl takes longer to load than most files

                yield from _gathered(sheet_rows(self._file, self._columns, self._limit))
            else:
                yield from _csv_blocks(line_blocks(self._file, self._columns, self._limit), self._columns)
            self._position = self._file.tell()


def _gathered(rows: Iterable[Row | BadLine]) -> Iterator[Block | BadLine]:
    """Rows as blocks, in their order and without reading far ahead."""
    for is_bad, some in groupby(rows, lambda row: isinstance(row, BadLine)):
        if is_bad:
            yield from (row for row in some if isinstance(row, BadLine))
        else:
            while few := list(islice(some, _AT_ONCE)):
                numbers, *cells = zip(*few, strict=True)
                yield Block(numbers, tuple(cells))


def _csv_blocks(blocks: Iterator[Lines], columns: Columns) -> Iterator[Block | BadLine]:
    head = next((block for block in blocks if any(line.strip() for line in block.lines)), Lines(1, []))
    delimiter, layout = _csv_layout(head.lines, columns)
    below = Lines(head.first + layout.data, head.lines[layout.data :])
    for block in chain((below,), blocks):
        even = _even(block, delimiter, layout)
        if even:
            yield even
        else:
            yield from _gathered(_rows(block, delimiter, layout))


def _even(block: Lines, delimiter: str, layout: Layout) -> Block | None:
    """The columns of lines that are plainly alike: all of one width, nothing quoted; None for others."""
    count = len(block.lines)
    text = f"{delimiter}\n{delimiter}".join(block.lines)  # each end of a line becomes a cell of its own
    cells = text.split(delimiter)
    width, rest = divmod(len(cells) - (count - 1), count) if count else (0, 1)
    if (
        rest
        or cells[width :: width + 1].count("\n") != count - 1
        or (width == 1 and "" in cells)  # a blank line
        or '"' in text
        or text.startswith(" ")
        or f"{delimiter} " in text
        or max(map(len, block.lines)) > LINE_LIMIT
    ):
        return None
    blank = [""] * count
    found = (cells[place :: width + 1] if 0 <= place < width else blank for place in layout.places)
    return Block(range(block.first, block.first + count), tuple(found))


def _csv_layout(lines: Sequence[str], columns: Columns) -> tuple[str, Layout]:
    """The delimiter under which the head of the file makes sense, and its columns."""
    head = [line[:LINE_LIMIT] for line in lines[:HEAD_ROWS]]
    if head and head[0][:4].lower() == "sep=":  # a hint that Excel writes and reads
        head[0] = ""
    for delimiter in _DELIMITERS:
        layout = columns.find([_cells(line, delimiter) or [] for line in head])
        if layout:
            return delimiter, layout
    delimiter = max(_DELIMITERS, key="".join(head).count)
    raise columns.missing([_cells(line, delimiter) or [] for line in head])


def _rows(block: Lines, delimiter: str, layout: Layout) -> Iterator[Row | BadLine]:
    """The rows of a block at full speed, up to the first line that csv can't take; the rest with care."""
    least, pick, done = max(layout.places) + 1, _picker(layout), 0
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
                    yield pick((*row, "", block.first + done - 1))
    yield from _careful(Lines(block.first + done, block.lines[done:]), delimiter, layout)


def _careful(block: Lines, delimiter: str, layout: Layout) -> Iterator[Row | BadLine]:
    """Line by line: a stray quotation mark or an endless line costs itself only."""
    least, pick = max(layout.places) + 1, _picker(layout)
    for number, line in enumerate(block.lines, block.first):
        row = _cells(line, delimiter)
        if len(line) > LINE_LIMIT:
            yield BadLine(number, "long_line", line[:LINE_LIMIT])
        elif row is None:
            yield BadLine(number, "quotes", line)
        elif row:
            row += [""] * (least - len(row))
            yield pick((*row, "", number))


def _picker(layout: Layout) -> Callable[[Row], Row]:
    """Takes the number and the columns from a row that ends in an empty cell and the number."""
    return itemgetter(-1, *(place if place >= 0 else -2 for place in layout.places))


def _cells(line: str, delimiter: str) -> list[str] | None:
    """The cells of one line; None where its quotation marks don't match."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True), [])
    except csv.Error:
        return None

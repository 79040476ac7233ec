"""Stream the rows of an uploaded CSV or XLSX table in constant memory."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, compress
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from app.core.errors import Invalid
from app.file_import.columns import HEAD_ROWS, Columns, Layout
from app.file_import.row_blocks import Block, Row, UnreadableLine, gathered
from app.file_import.text_lines import LINE_LIMIT, UNPACKED_LIMIT, TextBlock, line_blocks, no_text, readable

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"


class Reader:
    """Read the rows or blocks of one file once.

    Blank lines are counted but not returned; any other line is a row or an UnreadableLine. Invalid if the
    file can't be used.
    """

    def __init__(self, path: Path, columns: Columns, limit: int = UNPACKED_LIMIT) -> None:
        self._path = path
        self._columns = columns
        self._limit = limit
        self._file: BinaryIO | None = None
        self._position = 0
        self._text: Delimited | None = None

    @property
    def position(self) -> int:
        """Bytes read so far, of the file itself and not of what it unpacks to."""
        if self._file and not self._file.closed:
            self._position = self._file.tell()
        return self._position

    @property
    def short(self) -> int:
        return self._text.short if self._text else 0

    def __iter__(self) -> Iterator[Row | UnreadableLine]:
        for block in self.blocks():
            if isinstance(block, UnreadableLine):
                yield block
            else:
                yield from zip(block.numbers, *block.cells, strict=True)

    def blocks(self) -> Iterator[Block | UnreadableLine]:
        with readable(), self._path.open("rb") as self._file:
            magic = self._file.read(4)
            self._file.seek(0)
            if magic == _OLE:
                raise Invalid(
                    "This is an old .xls workbook or has a password. Save it as .xlsx or “CSV "
                    "UTF-8” without a password and upload it again."
                )
            if magic == _ZIP:
                from app.file_import.xlsx_rows import (
                    sheet_rows,  # openpyxl takes longer to import than most files to read
                )

                yield from gathered(sheet_rows(self._file, self._columns, self._limit))
            else:
                lines = line_blocks(self._file, self._columns, self._limit)
                self._text = Delimited(lines, self._columns)
                yield from self._text.blocks()
            self._position = self._file.tell()


_DELIMITERS = ",;\t|"
# Tolerated lines with a NUL character: this many, or one in _NULS_SHARE of a long file.
_NULS, _NULS_SHARE = 10, 100
_QUOTED_LIMIT = 32_768  # characters of a row that spans several lines, as Excel allows in a cell


class Delimited:
    """Read a text's rows once. short: rows so far with fewer cells than the header, but with a number."""

    def __init__(self, lines: Iterator[TextBlock], columns: Columns) -> None:
        self.short = 0
        self._nuls = 0
        self._lines = lines
        self._columns = columns

    def blocks(self) -> Iterator[Block | UnreadableLine]:
        """Yield the rows in order; Invalid if the text lacks the columns."""
        found = (block for block in self._lines if any(line.strip() for line in block.lines))
        head = next(found, TextBlock(1, []))
        self._delimiter, layout = _layout(head, self._columns)
        self._use(layout)
        below = TextBlock(head.first + layout.data, head.lines[layout.data :])
        for block in chain((below,), self._lines):
            even = self._even(block)
            if even is None:
                yield from gathered(self._rows(block))
            elif even.numbers:
                yield even

    def _use(self, layout: Layout) -> None:
        places = layout.places
        self._layout, self._first = layout, places[0]
        self._others = [each for each in _DELIMITERS if each != self._delimiter]
        self._least = max(*places, layout.width - 1, 0) + 1
        # Extracts line number and columns from a row followed by an empty cell and its number.
        self._pick = itemgetter(-1, *(place if place >= 0 else -2 for place in places))

    def _even(self, block: TextBlock) -> Block | None:
        """Split uniform lines, of one width and without quotes, in one go; return None for others."""
        delimiter, count = self._delimiter, len(block.lines)
        text = f"{delimiter}\n{delimiter}".join(block.lines)  # each line end becomes a cell
        cells = text.split(delimiter)
        width, rest = divmod(len(cells) - (count - 1), count) if count else (0, 1)
        if (
            rest
            or cells[width :: width + 1].count("\n") != count - 1
            or '"' in text
            or "\0" in text
            or text.startswith(" ")
            or f"{delimiter} " in text
            or self._may_be_cut(width, text)
            or max(map(len, block.lines)) > LINE_LIMIT
        ):
            return None
        found = self._columns_of(block, cells, width)
        if width < self._layout.width:
            self.short += len(found.numbers)
        return found

    def _may_be_cut(self, width: int, text: str) -> bool:
        """Return whether lines of this width may lack more than empty cells at their ends."""
        short = width < self._layout.width
        return width <= self._first or (short and any(other in text for other in self._others))

    def _columns_of(self, block: TextBlock, cells: list[str], width: int) -> Block:
        """Pick the columns of all rows except blank ones; after each row comes its line-end cell."""
        count, blank = len(block.lines), [""] * len(block.lines)
        places = self._layout.places
        found = [cells[at :: width + 1] if 0 <= at < width else blank for at in places]
        numbers: Sequence[int] = range(block.first, block.first + count)
        if "" in found[0] or any(map(str.isspace, found[0])):
            step = width + 1
            filled = [
                bool(cell.strip()) or any(map(str.strip, cells[row * step : row * step + width]))
                for row, cell in enumerate(found[0])
            ]
            numbers = list(compress(numbers, filled))
            found = [list(compress(column, filled)) for column in found]
        return Block(numbers, tuple(found))

    def _rows(self, block: TextBlock) -> Iterator[Row | UnreadableLine]:
        """Parse a block at full speed up to the first line that csv can't handle, then line by line."""
        lines, done = block.lines, 0
        if max(map(len, lines), default=0) <= LINE_LIMIT and not any("\0" in line for line in lines):
            reader = csv.reader(lines, delimiter=self._delimiter, strict=True, skipinitialspace=True)
            with suppress(csv.Error):
                for row in reader:
                    if reader.line_num != done + 1:
                        break  # an open quotation mark swallowed the line end
                    done += 1
                    yield from self._row(row, lines[done - 1], block.first + done - 1)
        yield from self._careful(block.first + done, deque(lines[done:]))

    def _careful(self, number: int, lines: deque[str]) -> Iterator[Row | UnreadableLine]:
        """Parse line by line, so that a stray quotation mark or an endless line spoils only itself."""
        while lines:
            line, used = lines[0], 1
            if "\0" in line:
                yield self._nul(number, line[:LINE_LIMIT])
            elif len(line) > LINE_LIMIT:
                yield UnreadableLine(number, "long_line", line[:LINE_LIMIT])
            else:
                row, used = self._record(lines)
                bad = row is None
                yield from (
                    [UnreadableLine(number, "quotes", line)] if bad else self._row(row or [], line, number)
                )
            lines.popleft()
            for place in range(1, used):
                inner = lines.popleft()
                if inner.strip():
                    yield UnreadableLine(number + place, "continued", inner)
            number += used

    def _nul(self, number: int, line: str) -> UnreadableLine:
        """Report a line with a NUL character; Invalid once there are too many for a text."""
        self._nuls += 1
        if self._nuls > max(_NULS, number // _NULS_SHARE):
            raise no_text(number)
        return UnreadableLine(number, "nul", line)

    def _record(self, lines: deque[str]) -> tuple[list[str] | None, int]:
        """Parse the row that starts in the first line; return it, or None if invalid, and its line count."""
        reader = csv.reader(self._ahead(lines), delimiter=self._delimiter, strict=True, skipinitialspace=True)
        try:
            return next(reader), reader.line_num
        except csv.Error:
            return None, 1

    def _ahead(self, lines: deque[str]) -> Iterator[str]:
        """Yield these lines and the following ones, as far as a row may extend."""
        place, room = 0, _QUOTED_LIMIT
        while True:
            if place == len(lines):
                lines.extend(next(self._lines, TextBlock(0, [])).lines)
            if place == len(lines) or len(lines[place]) > LINE_LIMIT or "\0" in lines[place] or room < 0:
                return
            room -= len(lines[place]) + 1
            yield lines[place] + "\n"
            place += 1

    def _row(self, row: list[str], line: str, number: int) -> Iterator[Row | UnreadableLine]:
        """Yield the row, or the reason why it is unreadable; nothing for a blank row."""
        if len(row) < self._least or not row[self._first].strip():
            if not any(map(str.strip, row)):
                return
            reason = self._cut(row, line)
            if reason:
                yield UnreadableLine(number, reason, self._delimiter.join(row))
                return
            self.short += len(row) < self._layout.width
            row = row + [""] * (self._least - len(row))
        yield self._pick((*row, "", number))

    def _cut(self, row: list[str], line: str) -> str | None:
        """Return why a row shorter than the header can't be used, or None if it can."""
        commas = self._layout.width - 1
        if len(row) == 1 and commas > 0 and any(line.strip().count(each) >= commas for each in self._others):
            return "separator"
        return "short_row" if len(row) <= self._first else None


def _layout(block: TextBlock, columns: Columns) -> tuple[str, Layout]:
    """Return the delimiter with which the file's first lines contain the columns, and the layout."""
    head = [line[:LINE_LIMIT] for line in block.lines[:HEAD_ROWS]]
    nul = next((place for place, line in enumerate(head) if "\0" in line), len(head))
    if head and head[0][:4].lower() == "sep=":  # a hint that Excel writes and understands
        head[0] = ""
    for delimiter in _DELIMITERS:
        layout = columns.find([_cells(line, delimiter) for line in head])
        if layout and layout.data <= nul:
            return delimiter, layout
    if nul < len(head):
        raise no_text(block.first + nul)
    delimiter = max(_DELIMITERS, key="".join(head).count)
    raise columns.missing([_cells(line, delimiter) for line in head])


def _cells(line: str, delimiter: str) -> list[str]:
    """Split one line; return nothing if its quotation marks don't match."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True), [])
    except csv.Error:
        return []

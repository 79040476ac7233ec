"""Stream the rows of an uploaded CSV or XLSX table in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from app.core.errors import Invalid
from app.file_import.columns import Columns
from app.file_import.delimited import Delimited
from app.file_import.row_blocks import Block, Row, UnreadableLine, gathered
from app.file_import.text_lines import UNPACKED_LIMIT, line_blocks, readable

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
                    "This is an old .xls workbook or one with a password. Save it without a password "
                    "as .xlsx or “CSV UTF-8” and upload it again."
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

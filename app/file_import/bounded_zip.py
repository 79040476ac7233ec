"""Limits on the parts of a workbook while they are unpacked, far above what real workbooks need."""

from __future__ import annotations

import zipfile
from typing import IO, Any, cast

from app.core.errors import Invalid
from carriers.phrases import Phrase

EXCEL_ROWS = 1_048_576
TOO_LARGE = "The workbook is too large to read. Save it as “CSV UTF-8” and upload that file."
TOO_MANY_ROWS = Phrase(
    "The sheet has more than {n} rows. Save it as “CSV UTF-8” and upload that file.", n=EXCEL_ROWS
)
LONG_ROW = "A row or cell of the workbook is unusually long. Save it as “CSV UTF-8” and upload that file."
# Bytes between rows, and of what surrounds the rows.
_ROW_LIMIT = 1024**2
_REST_LIMIT = 8 * 1024**2
_WHOLE_LIMIT = 16 * 1024**2  # of a part that is read in one go: styles, the list of sheets
_ROW = (b"<row", b":row")
_TEXT = (b"<si", b":si")
_END = (b"</sheetData", b":sheetData")


class BoundedZip(zipfile.ZipFile):
    """A zip archive that checks its members while they are read."""

    def open(self, name: Any, mode: Any = "r", *more: Any, **named: Any) -> IO[bytes]:
        """Open a member; reading it may raise Invalid."""
        size = self.getinfo(name).file_size if isinstance(name, str) else name.file_size
        return cast(IO[bytes], _Part(super().open(name, mode, *more, **named), size))


class _Part:
    """A member that counts rows before cells are made of them, and measures the distance between rows."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._size = size
        self._rows = 0
        self._gap = 0
        self._inside = False
        self.close = file.close

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes, or all of a small part."""
        if size < 0 and self._size > _WHOLE_LIMIT:
            raise Invalid(TOO_LARGE)
        found = self._file.read(size)
        if size >= 0:
            self._look(found)
        return found

    def _look(self, data: bytes) -> None:
        """Count rows that begin here; a tag split between reads is missed, which does no harm."""
        self._rows += sum(map(data.count, _ROW))
        if self._rows > EXCEL_ROWS:
            raise Invalid(TOO_MANY_ROWS)
        row, end = max(map(data.rfind, _ROW)), max(map(data.rfind, _END))
        last = max(row, *map(data.rfind, _TEXT))
        self._inside = row > end if max(row, end) >= 0 else self._inside
        self._gap = len(data) - last if last >= 0 else self._gap + len(data)
        if self._gap > (_ROW_LIMIT if self._inside else _REST_LIMIT):
            raise Invalid(LONG_ROW)

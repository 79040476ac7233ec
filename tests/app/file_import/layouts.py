"""A kind of file for these tests: numbers, which it needs, and two columns that it may have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from app.file_import.columns import PHONE_NAMES, Columns, FileColumn, names
from app.file_import.reader import Reader
from app.file_import.row_blocks import Row, UnreadableLine

LIST = Columns(
    (
        FileColumn("phone numbers", PHONE_NAMES, "“Số điện thoại” or “phone”", needed=True),
        FileColumn("areas", (names("maxa area"), names("huyen"))),
        FileColumn("languages", (names("ngonngu lang"),)),
    ),
    bare=True,
)


def read_rows(path: Path) -> Iterator[Row | UnreadableLine]:
    """The rows of a file of this kind."""
    return iter(Reader(path, LIST))

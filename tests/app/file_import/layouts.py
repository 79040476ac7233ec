"""A kind of file for these tests: numbers, which it needs, and two columns that it may have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from app.file_import.columns import PHONE_NAMES, Column, Columns, names
from app.file_import.reader import Reader
from app.file_import.row_blocks import BadLine, Row

LIST = Columns(
    (
        Column("phone numbers", PHONE_NAMES, "“Số điện thoại” or “phone”", needed=True),
        Column("areas", (names("maxa area"), names("huyen"))),
        Column("languages", (names("ngonngu lang"),)),
    ),
    bare=True,
)


def read_rows(path: Path) -> Iterator[Row | BadLine]:
    """The rows of a file of this kind."""
    return iter(Reader(path, LIST))

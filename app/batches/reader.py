"""Rows of an uploaded file of subscribers: line number, then phone, area and language as they stand."""

from __future__ import annotations

from pathlib import Path

from app.batches.columns import SUBSCRIBERS
from app.file_import.reader import Reader


def open_rows(path: Path) -> Reader:
    """A reader over the rows of the file."""
    return Reader(path, SUBSCRIBERS)

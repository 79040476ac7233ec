"""Bad lines as CSV for the people who mend the list: opens in Excel with its diacritics, and as text only."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from app.batches.queries import BadLine

HEADER = ("line", "reason", "reason in words", "lý do", "value")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_ROWS = 500


def safe(cell: str) -> str:
    """The cell as text even to a program that would read a formula in it."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def bad_lines_csv(lines: Iterable[BadLine]) -> Iterator[str]:
    """The file in pieces, the first with the mark by which Excel knows UTF-8."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow(HEADER)
    for count, line in enumerate(lines, 1):
        writer.writerow([line.line, line.reason, line.reason_en, line.reason_vi, safe(line.value)])
        if count % _ROWS == 0:
            yield _drain(buffer)
    yield _drain(buffer)


def _drain(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text

"""Bad lines as CSV for the people who mend the list: opens in Excel with its diacritics, and as text only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.batches.queries import BadLine
from app.tables.cells import csv_pieces, safe

HEADER = ("line", "reason", "reason in words", "lý do", "value")


def bad_lines_csv(lines: Iterable[BadLine]) -> Iterator[str]:
    """The file in pieces."""
    rows = ([line.line, line.reason, line.reason_en, line.reason_vi, safe(line.value)] for line in lines)
    return csv_pieces(HEADER, rows)

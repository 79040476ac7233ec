"""Bad lines as CSV for the people who mend the list: opens in Excel with its diacritics, and as text only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from app.batches.queries import BadLine
from app.batches.row_parser import KEPT
from app.file_import.cells import csv_pieces, safe

HEADER = ("line", "reason", "reason in words", "lý do", "value")


def bad_lines_csv(lines: Iterable[BadLine], bad: int) -> Iterator[str]:
    """The file in pieces; `bad`: how many bad lines there are, of which so many are kept one by one."""
    rows = ([line.line, line.reason, line.reason_en, line.reason_vi, safe(line.value)] for line in lines)
    return csv_pieces(HEADER, chain(rows, _rest(bad - KEPT)))


def _rest(count: int) -> Iterator[list[str]]:
    """Says what is not in the file."""
    if count > 0:
        english = f"{count} more bad lines are counted, and not kept one by one."
        yield ["", "", english, f"Còn {count} dòng lỗi nữa chỉ được đếm, không lưu từng dòng.", ""]

"""Cells of a form as both readers give them (xlsx_cells, ods_cells), and the limits of both."""

from __future__ import annotations

from typing import Any, NamedTuple

from app.core.errors import Invalid

UNPACKED = 8 * 1024**2  # bytes that a form may unpack to
CELLS = 100_000  # non-empty cells; the largest form has some thousands
COLUMNS = 256  # a form has some twenty; cells without a value may stand beside them


PERCENT, MERGED = "%", "merged"  # data types of ours: a number shown in per cent, a cell under another


class Cell(NamedTuple):
    """A cell's value, and openpyxl's letter for its type; "e" for what can't be read, and those above."""

    value: Any
    data_type: str


# Sheet -> address -> cell.
Form = dict[str, dict[str, Cell]]


def overfull(sheet: str) -> Invalid:
    """Build the error for a sheet with more than any form has."""
    return Invalid(
        "Trang “{sheet}” có quá nhiều ô hoặc dòng so với biểu mẫu. Hãy lấy lại biểu mẫu và chỉ "
        "chép số liệu sang.",
        sheet=sheet[:40],
        field="file",
    )

"""Read the cells of a form saved as .xlsx, with formulas as written; rows that are missing cost nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from openpyxl.utils import get_column_letter
from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser

from app.file_import.bounded_zip import EXCEL_ROWS
from app.file_import.form_cells import CELLS, COLUMNS, UNPACKED, Cell, Form, overfull
from app.file_import.xlsx_rows import bounded

_ROWS = 200_000  # that the file lists, in all sheets together
# A formula that stands once for several cells is translated for each; a form has some hundred short ones.
_SHARED, _SHARED_LENGTH = 5000, 250


def cells(content: bytes) -> Form:
    """Return the cells of all sheets; Invalid if there are too many, DAMAGED."""
    form: Form = {}
    rows_left, cells_left, shared = _ROWS, CELLS, iter(range(_SHARED))
    for sheet in bounded(io.BytesIO(content), UNPACKED, data_only=False).worksheets:
        if sheet.title in form:
            raise ValueError("two sheets have the same name")
        found = form.setdefault(sheet.title, {})
        with sheet._get_source() as source:
            for _, row in _parser(sheet, source, shared).parse():
                rows_left, cells_left = rows_left - 1, cells_left - len(row)
                if min(rows_left, cells_left) < 0:
                    raise overfull(sheet.title)
                found.update(_cell(sheet.title, cell) for cell in row if cell["value"] is not None)
    return form


def _cell(sheet: str, cell: dict[str, Any]) -> tuple[str, Cell]:
    row, column = cell["row"], cell["column"]
    if not (0 < row <= EXCEL_ROWS and 0 < column <= COLUMNS):
        raise overfull(sheet)
    return f"{get_column_letter(column)}{row}", Cell(cell["value"], cell["data_type"])


class _Parser(WorkSheetParser):  # type: ignore[misc]
    """Parser that translates as many shared formulas as it may, and short ones; the others stay formulas."""

    shared: Iterator[int] = iter(())

    def parse_row(self, row: Any) -> tuple[int, list[dict[str, Any]]]:
        number, cells = super().parse_row(row)
        self.row_dimensions.clear()  # would otherwise keep every row's height
        return number, cells

    def parse_formula(self, element: Any) -> Any:
        """Return the formula with its sign; for what is not translated, as it is written."""
        formula = element.find(FORMULA_TAG)
        written = formula.text or ""
        if formula.get("t") == "shared" and (
            len(written) > _SHARED_LENGTH or next(self.shared, None) is None
        ):
            return f"={written}"
        return super().parse_formula(element)


def _parser(sheet: Any, source: Any, shared: Iterator[int]) -> _Parser:
    book = sheet.parent
    parser = _Parser(
        source,
        sheet._shared_strings,
        data_only=False,
        epoch=book.epoch,
        date_formats=book._date_formats,
        timedelta_formats=book._timedelta_formats,
    )
    parser.shared = shared
    return parser

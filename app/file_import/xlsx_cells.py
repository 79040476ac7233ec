"""Read the cells of a form saved as .xlsx, with formulas as written; rows that are missing cost nothing."""

from __future__ import annotations

import io
from collections.abc import Container, Iterator
from typing import Any

from openpyxl.styles.numbers import BUILTIN_FORMATS
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser

from app.file_import.bounded_zip import EXCEL_ROWS
from app.file_import.form_cells import CELLS, COLUMNS, MERGED, PERCENT, UNPACKED, Cell, Form, overfull
from app.file_import.xlsx_rows import bounded

_ROWS = 200_000  # that the file lists, in all sheets together
# A formula that stands once for several cells is translated for each; a form has some hundred short ones.
_SHARED, _SHARED_LENGTH = 5000, 250
_OWN_FORMATS = 164  # number of the first format that a file defines itself
_FORM_ROWS, _FORM_COLUMNS = 500, 20  # as far as any form has cells to fill in


def cells(content: bytes) -> Form:
    """Return the cells of all sheets; Invalid if there are too many, DAMAGED."""
    form: Form = {}
    rows_left, cells_left, shared = _ROWS, CELLS, iter(range(_SHARED))
    for sheet in bounded(io.BytesIO(content), UNPACKED, data_only=False).worksheets:
        if sheet.title in form:
            raise ValueError("two sheets have the same name")
        found = form.setdefault(sheet.title, {})
        shares = _percent_styles(sheet.parent)
        with sheet._get_source() as source:
            parser = _parser(sheet, source, shared)
            for _, row in parser.parse():
                rows_left, cells_left = rows_left - 1, cells_left - len(row)
                if min(rows_left, cells_left) < 0:
                    raise overfull(sheet.title)
                found.update(_cell(sheet.title, cell, shares) for cell in row if cell["value"] is not None)
        found |= {cell: Cell(None, MERGED) for cell in _covered(parser) if cell not in found}
    return form


def _cell(sheet: str, cell: dict[str, Any], shares: Container[int]) -> tuple[str, Cell]:
    row, column, kind = cell["row"], cell["column"], cell["data_type"]
    if not (0 < row <= EXCEL_ROWS and 0 < column <= COLUMNS):
        raise overfull(sheet)
    kind = PERCENT if kind == "n" and cell["style_id"] in shares else kind
    return f"{get_column_letter(column)}{row}", Cell(cell["value"], kind)


def _percent_styles(book: Any) -> set[int]:
    """Return the styles that show a number in per cent: 1 is shown as 100 %."""
    own = {n + _OWN_FORMATS: words for n, words in enumerate(book._number_formats)}
    said = (own.get(style.numFmtId) or BUILTIN_FORMATS.get(style.numFmtId, "") for style in book._cell_styles)
    return {n for n, words in enumerate(said) if "%" in words}


def _covered(parser: WorkSheetParser) -> Iterator[str]:
    """Yield the cells that merging has put under another, as far as a form reaches."""
    for area in parser.merged_cells.mergeCell if parser.merged_cells else ():
        rows = range(area.min_row, min(area.max_row, _FORM_ROWS) + 1)
        columns = range(area.min_col, min(area.max_col, _FORM_COLUMNS) + 1)
        places = [f"{get_column_letter(column)}{row}" for row in rows for column in columns]
        yield from places[1:]


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

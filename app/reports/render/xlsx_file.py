"""The forms as a workbook: a sheet each, real numbers, and formulas for every sum and ratio."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from app import clock
from app.reports.render.form import Cell, Column, Form, Formula, Kind, Row, value

_FORMATS = {Kind.TEXT: "@", Kind.COUNT: "#,##0", Kind.RATIO: "0.0%", Kind.RATE: "#,##0.0"}
_FIRST_ROW = 4  # title, empty line, column names
_FONT = "Times New Roman"
_LINE = Side(style="thin")
_FRAME = Border(left=_LINE, right=_LINE, top=_LINE, bottom=_LINE)
_HEAD = PatternFill("solid", fgColor="DDE6F0")


class _Computed(str):
    """A formula of ours, told from a person's text that looks like one."""


def render(forms: Iterable[Form], cutoff_ms: int) -> bytes:
    """The workbook's bytes; it bears the cut-off time as its own date."""
    book = Workbook()
    book.remove(book.active)
    for form in forms:
        _fill(book.create_sheet(form.name), form)
    book.properties.creator = "Loa"
    book.properties.created = clock.from_ms(cutoff_ms).replace(tzinfo=None)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _fill(sheet: Worksheet, form: Form) -> None:
    _set(sheet, 1, 1, form.title).font = Font(name=_FONT, size=14, bold=True)
    for nth, column in enumerate(form.columns, 1):
        head = _set(sheet, _FIRST_ROW - 1, nth, column.title)
        head.font, head.fill, head.border = Font(name=_FONT, bold=True), _HEAD, _FRAME
        head.alignment = Alignment(horizontal="center", vertical="center", wrap_text=True)
        sheet.column_dimensions[get_column_letter(nth)].width = column.width
    for index, row in enumerate(form.rows):
        for nth, (column, content) in enumerate(zip(form.columns, row.cells, strict=True), 1):
            cell = _set(sheet, _FIRST_ROW + index, nth, _written(form, index, nth, content))
            _dress(cell, column, row)
    sheet.freeze_panes = f"A{_FIRST_ROW}"
    _page(sheet, form)


def _dress(cell: Any, column: Column, row: Row) -> None:
    cell.font, cell.border = Font(name=_FONT, bold=row.strong), _FRAME
    cell.number_format = _FORMATS[column.kind]
    cell.alignment = Alignment(vertical="top", wrap_text=column.kind is Kind.TEXT)


def _set(sheet: Worksheet, row: int, column: int, content: str | int | float | None) -> Any:
    cell = sheet.cell(row, column)
    cell.value = content
    if isinstance(content, str) and not isinstance(content, _Computed):
        cell.data_type = "s"  # a text that begins with = stays a text
    return cell


def _page(sheet: Worksheet, form: Form) -> None:
    sheet.page_setup.paperSize = sheet.PAPERSIZE_A4
    sheet.page_setup.orientation = "landscape" if len(form.columns) > 5 else "portrait"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.print_title_rows = f"{_FIRST_ROW - 1}:{_FIRST_ROW - 1}"


def _written(form: Form, row: int, column: int, cell: Cell) -> str | int | float | None:
    if not isinstance(cell, Formula) or ("{above}" in cell.text and row == 0):
        return value(cell)  # nothing stands above: a sum would be of itself
    return _Computed("=" + cell.text.format_map(_places(form, row, column)))


def _places(form: Form, row: int, column: int) -> dict[str, str]:
    """What the names in a formula at this place mean: rows of column `n`, then columns of this row."""
    keys = [c.key for c in form.columns]
    number = get_column_letter(keys.index("n") + 1) if "n" in keys else get_column_letter(column)
    places = {r.key: f"{number}{_FIRST_ROW + index}" for index, r in enumerate(form.rows)}
    places |= {key: f"{get_column_letter(n)}{_FIRST_ROW + row}" for n, key in enumerate(keys, 1)}
    letter = get_column_letter(column)
    return places | {"above": f"{letter}{_FIRST_ROW}:{letter}{_FIRST_ROW + row - 1}"}

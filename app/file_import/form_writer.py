"""Write form workbooks: protected except for input cells, which have lists and limits."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from copy import copy
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from app.file_import.cells import printable

if TYPE_CHECKING:  # imported where a form is written: openpyxl, with PIL and lxml, takes 16 MB
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

_MOST_UPRIGHT = 8  # columns of a sheet that is printed upright
_FONT = "Times New Roman"


@cache
def _styles() -> SimpleNamespace:
    """Styles, shared because creating one is slow."""
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side

    thin = Side(style="thin", color="999999")
    return SimpleNamespace(
        box=Border(left=thin, right=thin, top=thin, bottom=thin),
        to_fill=PatternFill("solid", fgColor="FFF8DC"),
        head=PatternFill("solid", fgColor="E8E8E8"),
        title=Font(name=_FONT, size=14, bold=True),
        plain=Font(name=_FONT, size=12),
        bold=Font(name=_FONT, size=12, bold=True),
        open=Protection(locked=False),
        top=Alignment(wrap_text=True, vertical="top"),
        top_middle=Alignment(wrap_text=True, horizontal="center", vertical="top"),
        middle=Alignment(wrap_text=True, horizontal="center", vertical="center"),
    )


class _Kind(NamedTuple):
    """What a boxed cell is for, which says how it looks."""

    bold: bool = False
    head: bool = False
    label: bool = False
    asked: bool = False
    number_format: str = "General"

    def dress(self, cell: Any) -> None:
        styles = _styles()
        cell.border, cell.font = styles.box, styles.bold if self.bold else styles.plain
        cell.number_format = self.number_format
        if self.head:
            cell.fill, cell.alignment = styles.head, styles.middle
        if self.label:
            cell.alignment = styles.top
        if self.asked:
            cell.fill, cell.protection = styles.to_fill, styles.open


class FormSheet:
    """One sheet of a form: text is locked, input cells are open and light yellow; prints page-wide."""

    def __init__(self, sheet: Worksheet, widths: Sequence[int]) -> None:
        from openpyxl.worksheet.page import PageMargins
        from openpyxl.worksheet.properties import PageSetupProperties

        self.sheet = sheet
        self._looks: dict[_Kind, Any] = {}
        sheet.protection.sheet = True
        sheet.protection.formatColumns = False  # people may widen a column
        sheet.page_setup.paperSize = sheet.PAPERSIZE_A4
        sheet.page_setup.orientation = "landscape" if len(widths) > _MOST_UPRIGHT else "portrait"
        sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
        sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
        sheet.page_margins = PageMargins(left=0.6, right=0.4, top=0.5, bottom=0.6)
        sheet.oddFooter.center.text = "&P/&N"
        for number, width in enumerate(widths):
            sheet.column_dimensions[chr(ord("A") + number)].width = width

    def title(self, cell: str, words: str) -> None:
        self.sheet[cell] = words
        self.sheet[cell].font = _styles().title

    def head(self, row: int, words: Sequence[str]) -> None:
        self.sheet.freeze_panes = f"A{row + 1}"
        self.sheet.print_title_rows = f"{row}:{row}"
        for number, word in enumerate(words):
            self._boxed(f"{chr(ord('A') + number)}{row}", word, _Kind(bold=True, head=True))

    def label(self, cell: str, value: str | int) -> None:
        """Write a locked text or number."""
        found = self._boxed(cell, value, _Kind(label=True))
        if isinstance(value, str):
            found.data_type = "s"  # text that begins with = is not a formula

    def sign(self, cell: str, post: str) -> None:
        """Write whose signature belongs below the cell on paper."""
        self.sheet[cell] = f"{post}\n(ký, ghi rõ họ tên)"
        self.sheet[cell].font, self.sheet[cell].alignment = _styles().bold, _styles().top_middle

    def formula(self, cell: str, text: str, number_format: str = "#,##0") -> None:
        self._boxed(cell, text, _Kind(bold=True, number_format=number_format))

    def ask(self, cells: Iterable[str], number_format: str = "General") -> None:
        for cell in cells:
            self._boxed(cell, None, _Kind(asked=True, number_format=number_format))

    def counts(self, cells: Sequence[str]) -> None:
        self.ask(cells, "#,##0")
        words = "Nhập số nguyên từ 0 trở lên.", "Số không hợp lệ"
        self._limit(cells, *words, type="whole", operator="greaterThanOrEqual", formula1="0")

    def choices(self, cells: Sequence[str], options: Sequence[str] | str) -> None:
        """Open cells for a choice: from a range such as 'Sheet'!$A$1:$A$9, or from options.

        Options must not contain commas, and have 255 characters together.
        """
        self.ask(cells)
        listed = options if isinstance(options, str) else f'"{",".join(options)}"'
        words = "Chọn một giá trị trong danh sách.", "Giá trị không hợp lệ"
        self._limit(cells, *words, type="list", formula1=listed)

    def days(self, cells: Sequence[str], *, hours: bool = False) -> None:
        self.ask(cells, "dd/mm/yyyy hh:mm" if hours else "dd/mm/yyyy")
        words = "Nhập ngày dạng 05/02/2024.", "Ngày không hợp lệ"
        self._limit(cells, *words, type="date", operator="greaterThan", formula1="DATE(2000,1,1)")

    def _limit(self, cells: Sequence[str], error: str, title: str, **bounds: str) -> None:
        from openpyxl.worksheet.cell_range import MultiCellRange
        from openpyxl.worksheet.datavalidation import DataValidation

        rule = DataValidation(
            allow_blank=True, showErrorMessage=True, error=error, errorTitle=title, **bounds
        )
        rule.sqref = MultiCellRange(" ".join(cells))  # rule.add() would compare with every earlier cell
        self.sheet.add_data_validation(rule)

    def _boxed(self, cell: str, value: str | int | None, kind: _Kind) -> Any:
        """Fill one cell, with the look of the first of its kind: openpyxl seeks each new one among all."""
        found = self.sheet[cell]
        found.value = printable(value) if isinstance(value, str) else value
        if (look := self._looks.get(kind)) is None:
            kind.dress(found)
            self._looks[kind] = copy(found._style)  # what is set on this cell afterwards is its own
        else:
            found._style = copy(look)
        return found


def new_workbook() -> Workbook:
    """Create a workbook whose sheets can't be added, removed or renamed by accident."""
    from openpyxl.workbook import Workbook

    workbook = Workbook()
    workbook.remove(workbook.active)
    workbook.security.lockStructure = True
    return workbook


def saved(workbook: Workbook) -> bytes:
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()

"""Forms as a workbook: one sheet each, numeric cells, live formulas with results, charts."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

from xlsxwriter import Workbook
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from app.core import clock
from app.file_import.cells import printable
from app.reports.figures.numbers import rounds_up_to_whole
from app.reports.figures.table_model import CellKind, Formula, ReportTable, TableChart, value
from app.reports.forms import check_sheet

_FORMATS = {CellKind.TEXT: "@", CellKind.COUNT: "#,##0", CellKind.RATE: "#,##0.0"}
_FIRST_ROW = 3  # 0-based: title, source, column names
_FONT = "Times New Roman"
_COLOURS = ("#8FA8C8", "#2E7D4F", "#D9A441")


class _Looks(NamedTuple):
    """The workbook and the formats that its cells share."""

    book: Any
    known: dict[tuple[Any, ...], Any]

    def of(self, **options: Any) -> Any:
        key = tuple(sorted(options.items()))
        if key not in self.known:
            self.known[key] = self.book.add_format({"font_name": _FONT, "font_size": 11, **options})
        return self.known[key]


def render(forms: Sequence[ReportTable], cutoff_ms: int) -> bytes:
    """Render to bytes; the file is dated by the cut-off, so that equal reports give equal bytes."""
    file = io.BytesIO()
    with Workbook(file, {"in_memory": True, "strings_to_formulas": False}) as book:
        book.set_properties({"author": "Loa", "created": clock.moment(cutoff_ms).replace(tzinfo=None)})
        looks = _Looks(book, {})
        for form in (*forms, check_sheet.checks(forms, _FIRST_ROW), check_sheet.flat(forms)):
            _fill(looks, book.add_worksheet(form.name), form)
    return file.getvalue()


def _fill(looks: _Looks, sheet: Worksheet, form: ReportTable) -> None:
    sheet.write_string(0, 0, printable(form.title), looks.of(bold=True, font_size=14))
    sheet.write_string(1, 0, printable(form.source), looks.of(italic=True))
    head = {"bold": True, "border": 1, "bg_color": "#DDE6F0", "text_wrap": True, "align": "center"}
    for nth, column in enumerate(form.columns):
        sheet.write_string(_FIRST_ROW - 1, nth, column.title, looks.of(**head, valign="vcenter"))
        sheet.set_column(nth, nth, column.width)
    for index, row in enumerate(form.rows):
        for nth in range(len(row.cells)):
            kind = form.columns[nth].kind
            look = looks.of(
                border=1,
                bold=row.strong,
                num_format=_format(kind, value(row.cells[nth])),
                valign="top",
                text_wrap=kind is CellKind.TEXT,
            )
            _write(sheet, form, (index, nth), look)
    sheet.freeze_panes(_FIRST_ROW, 0)
    _page(sheet, form)
    _plot(looks, sheet, form)


def _format(kind: CellKind, found: float | str | None) -> str:
    """Return a number format; a share just below a whole percent gets the digits that show it is below."""
    if kind is not CellKind.RATIO or not isinstance(found, int | float):
        return _FORMATS.get(kind, "0.0%")
    digits = next((n for n in range(1, 6) if not rounds_up_to_whole(found, n)), 6)
    return f"0.{'0' * digits}%"


def _write(sheet: Worksheet, form: ReportTable, place: tuple[int, int], look: Any) -> None:
    index, nth = place
    cell = form.rows[index].cells[nth]
    row, said = _FIRST_ROW + index, value(cell)
    if isinstance(cell, Formula) and not check_sheet.is_plain(cell, index):
        text = "=" + cell.text.format_map(check_sheet.places(form, index, nth, _FIRST_ROW))
        sheet.write_formula(row, nth, text, look, "" if said is None else said)
    elif isinstance(said, str):
        sheet.write_string(row, nth, printable(said), look)  # never as a formula, even if it begins with =
    elif said is None:
        sheet.write_blank(row, nth, None, look)
    else:
        sheet.write_number(row, nth, said, look)


def _page(sheet: Worksheet, form: ReportTable) -> None:
    sheet.set_paper(9)
    if len(form.columns) > 5:
        sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(_FIRST_ROW - 1)
    # Charts beside the table are for the screen: printed with it, both would be too small to read.
    sheet.print_area(0, 0, _FIRST_ROW + len(form.rows) - 1, len(form.columns) - 1)
    sheet.set_footer("&C&P/&N")


def _plot(looks: _Looks, sheet: Worksheet, form: ReportTable) -> None:
    down = 0
    for chart in form.charts:
        rows = [_FIRST_ROW + form.rows.index(row) for row in form.plotted(chart)]
        if len(rows) < 2:  # one bar compares nothing
            continue
        height = max(320, 60 + 34 * len(rows)) if chart.across else 360
        drawn = _drawn(looks, form, chart, rows)
        drawn.set_size({"width": 760, "height": height})
        place = {"y_offset": down}
        sheet.insert_chart(_FIRST_ROW - 1, len(form.columns) + 1, drawn, place)
        down += height + 20


def _drawn(looks: _Looks, form: ReportTable, chart: TableChart, rows: Sequence[int]) -> Any:
    label = form.place(chart.label)
    drawn = looks.book.add_chart({"type": "bar" if chart.across else "column"})
    for nth, key in enumerate(chart.series):
        place = form.place(key)
        drawn.add_series(
            {
                "name": [form.name, _FIRST_ROW - 1, place],
                "categories": _cells(form, rows, label),
                "values": _cells(form, rows, place),
                "fill": {"color": _COLOURS[nth]},
            }
        )
    drawn.set_title({"name": chart.title, "name_font": {"name": _FONT, "size": 13}})
    drawn.set_legend({"position": "bottom"})
    if chart.across:
        drawn.set_y_axis({"reverse": True})
    return drawn


def _cells(form: ReportTable, rows: Sequence[int], column: int) -> Any:
    """Reference the cells of those rows, which need not be adjacent."""
    if rows[-1] - rows[0] + 1 == len(rows):
        return [form.name, rows[0], column, rows[-1], column]
    letter = xl_col_to_name(column, col_abs=True)
    every = ",".join(f"'{form.name}'!{letter}${row + 1}" for row in rows)
    return f"=({every})"

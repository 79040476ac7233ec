"""Two more sheets of a workbook: identities as live formulas, and all figures as one flat list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xlsxwriter.utility import xl_col_to_name

from app.reports import labels
from app.reports.figures import FIGURES
from app.reports.render.table_model import CellKind, Formula, ReportTable, TableColumn, TableRow, value

_OUTCOMES = ("delivered", "relayed", "failed", "no_receipt", "unknown")
_LEFT = ("excluded", "waiting", "sent")


def checks(forms: Sequence[ReportTable], first_row: int) -> ReportTable:
    """Return the sheet “Kiểm tra”; first_row: of each sheet's figures, counted from 0."""
    every = {form.name: form for form in forms}
    found = [check for form in forms for check in _within(form, first_row)]
    if {"Biểu 1", "Biểu 2"} <= every.keys():
        found += _across(every, first_row)
    columns = (
        TableColumn("what", "Phép kiểm tra", CellKind.TEXT, 80),
        TableColumn("holds", "Kết quả", CellKind.TEXT, 12),
    )
    rows = tuple(TableRow(f"check_{nth}", each) for nth, each in enumerate(found))
    return ReportTable("Kiểm tra", "Kiểm tra số liệu: TRUE là khớp", columns, rows)


def flat(forms: Sequence[ReportTable]) -> ReportTable:
    """Return the sheet “Dữ liệu”: one row for each number, for pivot tables."""
    columns = (
        TableColumn("form", "Biểu", CellKind.TEXT, 14),
        TableColumn("row", "Dòng", CellKind.TEXT, 44),
        TableColumn("figure", "Chỉ tiêu", CellKind.TEXT, 30),
        TableColumn("value", "Giá trị", CellKind.RATE, 16),
    )
    rows = tuple(
        TableRow(f"{form.name} {nth} {place}", (form.name, _label(row), column.title, number))
        for form in forms
        for nth, row in enumerate(form.rows)
        if not row.strong
        for place, column in enumerate(form.columns)
        if isinstance(number := value(row.cells[place]), int | float)
    )
    return ReportTable("Dữ liệu", "Mọi số liệu, mỗi số một dòng", columns, rows)


def _label(row: TableRow) -> str:
    texts = [cell for cell in row.cells if isinstance(cell, str) and len(cell) > 3]
    return texts[0] if texts else row.key


def _within(form: ReportTable, first_row: int) -> Iterator[tuple[str, Formula]]:
    """Check that each form's columns agree, in the rows that have all of them."""
    keys = {column.key for column in form.columns}
    for whole, parts in (("eligible", _LEFT), ("sent", _OUTCOMES)):
        if not {whole, *parts} <= keys:
            continue
        words = " + ".join(FIGURES[key].label.lower() for key in parts)
        rows = [at for at in _plain(form) if not _unsaid(form, at, parts)]
        total = _sum(form, (whole,), first_row, rows)
        rest = _sum(form, parts, first_row, rows)
        if not rows:
            continue
        yield f"{form.name}: {FIGURES[whole].label.lower()} = {words}", _equal(total, rest)


def _across(forms: dict[str, ReportTable], first_row: int) -> Iterator[tuple[str, Formula]]:
    """Check that forms 2 to 4 add up to form 1."""
    first = forms["Biểu 1"]
    n, numbers = first.place("n"), {row.key: at for at, row in enumerate(first.rows)}
    for name, column, key in (
        ("Biểu 2", "sent", "sent"),
        ("Biểu 3", "sent", "sent"),
        ("Biểu 4", "n", "failed"),
    ):
        form = forms.get(name)
        if form is None or key not in numbers or column not in {each.key for each in form.columns}:
            continue
        at = numbers[key]
        said = value(first.rows[at].cells[n])
        if isinstance(said, int) and form.rows:
            cell = f"'Biểu 1'!{xl_col_to_name(n)}{first_row + at + 1}"
            words = f"Tổng “{form.columns[form.place(column)].title}” của {name} = Biểu 1"
            yield words, _equal(_sum(form, (column,), first_row, _plain(form)), (cell, said))


def _plain(form: ReportTable) -> list[int]:
    """Return the rows but totals, and statements that stand beside measured figures."""
    return [at for at, row in enumerate(form.rows) if not row.strong and not row.key.endswith("_stated")]


def _unsaid(form: ReportTable, at: int, keys: Sequence[str]) -> bool:
    """Return whether one of these figures of the row is proved by no receipt, or was not said."""
    cells = [value(form.rows[at].cells[form.place(key)]) for key in keys]
    return any(cell in (labels.UNPROVED, labels.NOT_SAID) for cell in cells)


def _sum(
    form: ReportTable, keys: Sequence[str], first_row: int, rows: Sequence[int]
) -> tuple[str, int | float]:
    """Return the formula of the sum of these columns in these rows, and its result."""
    places = [form.place(key) for key in keys]
    cells = [value(form.rows[at].cells[place]) for place in places for at in rows]
    letters = [xl_col_to_name(place) for place in places]
    spans = list(_spans(rows))
    ranges = [
        f"'{form.name}'!{x}{first_row + a + 1}:{x}{first_row + b + 1}" for x in letters for a, b in spans
    ]
    return f"SUM({','.join(ranges)})", sum(n for n in cells if isinstance(n, int | float))


def _spans(rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of adjacent rows."""
    first = last = None
    for row in rows:
        if last is not None and row == last + 1:
            last = row
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = row
    if first is not None and last is not None:
        yield first, last


def _equal(left: tuple[str, int | float], right: tuple[str, int | float]) -> Formula:
    return Formula(left[1] == right[1], f"{left[0]}={right[0]}")

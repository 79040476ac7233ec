"""Two more sheets of a workbook: identities as live formulas, and all figures as one flat list.

Each number of a form is compared with the list, each sum with what it adds up: whatever is altered by hand,
in a form or in the list, turns a check FALSE.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from xlsxwriter.utility import xl_col_to_name

from app.reports.figures import labels
from app.reports.figures.figures import OUTCOMES
from app.reports.figures.numbers import NOTHING
from app.reports.figures.table_model import CellKind, Formula, ReportTable, TableColumn, TableRow, value

_LEFT = ("excluded", "waiting", "sent")
_LIST = "Dữ liệu"
_LIST_COLUMN = 3  # of the values
# Spreadsheets take 255 arguments and 8,192 characters.
_ARGUMENTS, _LENGTH = 200, 7000


class _Check(NamedTuple):
    """A comparison as a formula, and whether it holds."""

    formula: str
    holds: bool


def checks(forms: Sequence[ReportTable], first_row: int) -> ReportTable:
    """Return the sheet “Kiểm tra”; first_row: of each sheet's figures, counted from 0."""
    every = {form.name: form for form in forms}
    found = [check for form in forms for check in _within(form, first_row)]
    for form in forms:
        if form.name.startswith("Biểu 1"):
            found += _across(every, form.name.removeprefix("Biểu 1"), first_row)
    found += _as_listed(forms, first_row)
    columns = (
        TableColumn("what", "Phép kiểm tra", CellKind.TEXT, 80),
        TableColumn("holds", "Kết quả", CellKind.TEXT, 12),
    )
    rows = tuple(TableRow(f"check_{nth}", each) for nth, each in enumerate(found))
    return ReportTable("Kiểm tra", "Kiểm tra số liệu: TRUE là khớp", columns, rows)


def flat(forms: Sequence[ReportTable]) -> ReportTable:
    """Return the sheet “Dữ liệu”: one row for each number but sums, for pivot tables."""
    columns = (
        TableColumn("form", "Biểu", CellKind.TEXT, 14),
        TableColumn("row", "Dòng", CellKind.TEXT, 44),
        TableColumn("figure", "Chỉ tiêu", CellKind.TEXT, 30),
        TableColumn("value", "Giá trị", CellKind.RATE, 16),
    )
    rows = []
    for form in forms:
        for at, place in _numbers(form):
            row = form.rows[at]
            if not row.strong:
                said = (form.name, _label(row), form.columns[place].title, value(row.cells[place]))
                rows.append(TableRow(f"{form.name} {at} {place}", said))
    return ReportTable(_LIST, "Mọi số liệu, mỗi số một dòng", columns, tuple(rows))


def places(form: ReportTable, row: int, column: int, first_row: int, sheet: str = "") -> dict[str, str]:
    """Map the names that a formula of this cell may use to cells; sheet: before each, with its sign."""
    keys = [c.key for c in form.columns]
    number = xl_col_to_name(keys.index("n") if "n" in keys else column)
    found = {r.key: f"{sheet}{number}{first_row + index + 1}" for index, r in enumerate(form.rows)}
    found |= {key: f"{sheet}{xl_col_to_name(n)}{first_row + row + 1}" for n, key in enumerate(keys)}
    letter = xl_col_to_name(column)
    found |= {f"at_{r.key}": f"{sheet}{letter}{first_row + index + 1}" for index, r in enumerate(form.rows)}
    return found | {"above": f"{sheet}{letter}{first_row + 1}:{letter}{first_row + row}"}


def is_plain(formula: Formula, row: int) -> bool:
    """Return whether a formula is written as its result: a sum in the first row would refer to itself."""
    return "{above}" in formula.text and row == 0


def _numbers(form: ReportTable) -> Iterator[tuple[int, int]]:
    """Yield row and column of each number of a form."""
    for at, row in enumerate(form.rows):
        for place, cell in enumerate(row.cells):
            if isinstance(value(cell), int | float):
                yield at, place


def _label(row: TableRow) -> str:
    texts = [cell for cell in row.cells if isinstance(cell, str) and len(cell) > 3]
    return texts[0] if texts else row.key


# Identities


def _within(form: ReportTable, first_row: int) -> Iterator[tuple[str, Formula]]:
    """Check that each row's columns agree, in the rows that have all of them; and form 1's rows."""
    keys = {column.key: column.title.lower() for column in form.columns}
    outcomes = tuple(key for key in OUTCOMES if key in keys)
    for whole, parts in (("eligible", _LEFT), ("sent", outcomes)):
        if not {whole, *parts} <= keys.keys() or len(parts) < 3:
            continue
        words = " + ".join(keys[key] for key in parts)
        rows = [at for at in _plain(form) if not _unsaid(form, at, (whole, *parts))]
        each = [
            _equal(_sum(form, (whole,), first_row, [at]), _sum(form, parts, first_row, [at])) for at in rows
        ]
        yield from _all(f"{form.name}, từng dòng: {keys[whole]} = {words}", each)
    if form.name.startswith("Biểu 1"):
        yield from _general(form, first_row)


def _general(form: ReportTable, first_row: int) -> Iterator[tuple[str, Formula]]:
    """Check form 1, whose figures stand below each other."""
    rows = {row.key: at for at, row in enumerate(form.rows)}
    received = "received" if "received" in rows else "delivered"
    causes = tuple(key for key in rows if key.startswith("cause_"))
    for whole, parts in (
        ("eligible", _LEFT),
        ("excluded", causes),
        ("sent", (received, *OUTCOMES[1:])),
    ):
        known = [rows[key] for key in parts if key in rows]
        numbers = [value(form.rows[at].cells[form.place("n")]) for at in known]
        if whole in rows and known and all(isinstance(n, int) or n == NOTHING for n in numbers):
            sums = _sum(form, ("n",), first_row, [rows[whole]]), _sum(form, ("n",), first_row, known)
            words = " + ".join(str(form.rows[at].cells[0]) for at in known)
            yield from _all(f"{form.name}: {form.rows[rows[whole]].cells[0]} = {words}", [_equal(*sums)])


def _across(forms: dict[str, ReportTable], suffix: str, first_row: int) -> Iterator[tuple[str, Formula]]:
    """Check that each column of forms 2 to 4 adds up to its row of form 1; suffix: of names, as " (5)"."""
    first = forms[f"Biểu 1{suffix}"]
    n, numbers = first.place("n"), {row.key: at for at, row in enumerate(first.rows)}
    for name in ("Biểu 2", "Biểu 3", "Biểu 4"):
        form = forms.get(f"{name}{suffix}")
        for column in form.columns if form else ():
            key = "failed" if (name, column.key) == ("Biểu 4", "n") else column.key
            if "received" in numbers and key in ("delivered", "relayed"):
                key = "received"
            at = numbers.get(key)
            if form is None or at is None or not form.rows or column.kind is not CellKind.COUNT:
                continue
            said, rows = value(first.rows[at].cells[n]), _plain(form)
            if isinstance(said, int) and not any(_unsaid(form, row, (column.key,)) for row in rows):
                own = (_at(first, at, n, first_row), said)
                words = f"Tổng “{column.title}” của {form.name} = {first.name}"
                yield from _all(words, [_equal(_sum(form, (column.key,), first_row, rows), own)])


# Every number by itself


def _as_listed(forms: Sequence[ReportTable], first_row: int) -> Iterator[tuple[str, Formula]]:
    """Check each number against the list, and each sum against its parts or what it was when written."""
    listed = first_row
    for form in forms:
        single, sums = [], []
        for at, place in _numbers(form):
            cell, here = form.rows[at].cells[place], _at(form, at, place, first_row)
            if not form.rows[at].strong:
                listed += 1
                single.append(_same(here, f"'{_LIST}'!{xl_col_to_name(_LIST_COLUMN)}{listed}"))
            elif isinstance(cell, Formula) and not is_plain(cell, at):
                names = places(form, at, place, first_row, f"'{form.name}'!")
                sums.append(_same(here, cell.text.format_map(names)))
            else:
                sums.append(_same(here, repr(value(cell))))
        yield from _all(f"{form.name}: từng số khớp trang “{_LIST}”", single)
        yield from _all(f"{form.name}: từng số của dòng cộng", sums)


def _same(left: str, right: str) -> _Check:
    """Compare with room for the last digits, which programs compute otherwise."""
    return _Check(f"ABS({left}-({right}))<0.000001", True)


def _all(words: str, parts: Sequence[_Check]) -> Iterator[tuple[str, Formula]]:
    """Yield one check of all these; several where there are more than a formula holds."""
    groups: list[list[_Check]] = [[]]
    for part in parts:
        long = sum(len(each.formula) + 1 for each in groups[-1]) + len(part.formula) > _LENGTH
        if len(groups[-1]) == _ARGUMENTS or long:
            groups.append([])
        groups[-1].append(part)
    for nth, group in enumerate(groups, 1) if parts else ():
        which = f" ({nth}/{len(groups)})" if len(groups) > 1 else ""
        text = f"IFERROR(AND({','.join(each.formula for each in group)}),FALSE)"
        yield f"{words}{which}", Formula(all(each.holds for each in group), text)


def _at(form: ReportTable, at: int, place: int, first_row: int) -> str:
    return f"'{form.name}'!{xl_col_to_name(place)}{first_row + at + 1}"


def _plain(form: ReportTable) -> list[int]:
    """Return the rows but totals, and statements that stand beside measured figures."""
    return [at for at, row in enumerate(form.rows) if not row.strong and not row.key.endswith("_stated")]


def _unsaid(form: ReportTable, at: int, keys: Sequence[str]) -> bool:
    """Return whether one of these figures of the row is proved by no receipt, or was not said."""
    cells = [value(form.rows[at].cells[form.place(key)]) for key in keys]
    never = (labels.UNPROVED, labels.NOT_SAID, labels.NO_RECEIPTS, None)
    return any(cell in never for cell in cells)


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


def _equal(left: tuple[str, int | float], right: tuple[str, int | float]) -> _Check:
    return _Check(f"{left[0]}={right[0]}", left[1] == right[1])

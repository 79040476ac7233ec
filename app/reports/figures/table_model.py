"""A form as rows and columns: values for every format, and formulas for spreadsheets."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class CellKind(Enum):
    """Type of a column's cells; each format writes numbers its own way."""

    TEXT = "text"
    COUNT = "count"
    RATIO = "ratio"  # 0 to 1, shown in per cent
    RATE = "rate"  # messages per second


@dataclass(frozen=True, slots=True)
class Formula:
    """A computed cell. `text` names columns of its own row, or else rows of column `n`; {above} is the column
    above it, {at_KEY} its column in the row of that key. `value` is its result, for formats that do not
    compute.
    """

    value: int | float | None
    text: str


Cell = str | int | float | Formula | None


class TableColumn(NamedTuple):
    """`key` is for formulas, `width` in characters."""

    key: str
    title: str
    kind: CellKind
    width: int


class TableRow(NamedTuple):
    """`key` is for formulas; `strong` rows are totals; `aside` rows stay out of charts."""

    key: str
    cells: tuple[Cell, ...]
    strong: bool = False
    aside: bool = False


class TableChart(NamedTuple):
    """A chart of a form's rows without its total: bars of the columns `series` for each `label`.

    across: horizontal bars, for long labels; rows: keys of the drawn rows, empty for all; adds: whether bars
    may be added up, as areas of one run may; what: the noun for rows, where some are left out.
    """

    title: str
    label: str
    series: tuple[str, ...]
    across: bool = False
    rows: tuple[str, ...] = ()
    adds: bool = True
    what: str = "dòng"


class ReportTable(NamedTuple):
    """One table of the report: `name` is short (a sheet's name), `title` stands above it.

    source: a sentence on where its figures come from; "" without figures.
    """

    name: str
    title: str
    columns: tuple[TableColumn, ...]
    rows: tuple[TableRow, ...]
    source: str = ""
    chart: TableChart | None = None
    more: tuple[TableChart, ...] = ()

    @property
    def charts(self) -> tuple[TableChart, ...]:
        return (self.chart, *self.more) if self.chart else ()

    def plotted(self, chart: TableChart) -> tuple[TableRow, ...]:
        every = tuple(row for row in self.rows if not row.strong and not row.aside)
        return tuple(row for row in every if not chart.rows or row.key in chart.rows)

    def without_empty(self, rare: Collection[str]) -> tuple[ReportTable, list[str]]:
        """Return the form without columns that have no number, or `rare` ones with 0 alone; and their
        titles."""
        every = range(len(self.columns))
        numbers = [
            {v for row in self.rows if isinstance(v := value(row.cells[n]), int | float)} for n in every
        ]
        shown = [
            n
            for n, column in enumerate(self.columns)
            if column.kind is CellKind.TEXT or numbers[n] - ({0} if column.key in rare else set())
        ]
        rows = tuple(row._replace(cells=tuple(row.cells[n] for n in shown)) for row in self.rows)
        titles = [self.columns[n].title for n in every if n not in shown]
        return self._replace(columns=tuple(self.columns[n] for n in shown), rows=rows), titles

    def place(self, key: str) -> int:
        return [column.key for column in self.columns].index(key)


def value(cell: Cell) -> str | int | float | None:
    return cell.value if isinstance(cell, Formula) else cell


def ratio(part: str, whole: str, value: float | None) -> Formula:
    """Divide `part` by `whole`; empty if there is no whole or the part is unknown."""
    return Formula(value, f'IF(OR({{{whole}}}=0,ISTEXT({{{part}}})),"",{{{part}}}/{{{whole}}})')


def total(value: int) -> Formula:
    """Sum the column above."""
    return Formula(value, "SUM({above})")


def facts(name: str, title: str, pairs: Iterable[tuple[str, str]]) -> ReportTable:
    """Return a table of names and what they are."""
    columns = (
        TableColumn("name", "Mục", CellKind.TEXT, 34),
        TableColumn("value", "Nội dung", CellKind.TEXT, 90),
    )
    rows = tuple(TableRow(f"head_{n}", pair) for n, pair in enumerate(pairs))
    return ReportTable(name, title, columns, rows)

"""A form as rows and columns: values for every rendering, and the formulas that a spreadsheet keeps alive."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class CellKind(Enum):
    """What the cells of a column are, so that each rendering writes numbers its own way."""

    TEXT = "text"
    COUNT = "count"
    RATIO = "ratio"  # 0 to 1, shown in per cent
    RATE = "rate"  # messages per second


@dataclass(frozen=True, slots=True)
class Formula:
    """A computed cell. `text` names columns of its own row, or else rows of column `n`; {above} is the column
    so far. `value` is what it comes to, for renderings that do not compute.
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
    """`key` is for formulas; `strong` rows are totals; `aside`: a rest that stands in no picture."""

    key: str
    cells: tuple[Cell, ...]
    strong: bool = False
    aside: bool = False


class TableChart(NamedTuple):
    """How a form's rows, but for its total, look as a picture: bars of the columns `series` for each `label`.

    across: bars lie on their side, for rows with long names. rows: keys of those that are drawn, none: all.
    adds: whether its bars may be added up, as areas of one run may. what: the rows' name where some are left
    out of the picture.
    """

    title: str
    label: str
    series: tuple[str, ...]
    across: bool = False
    rows: tuple[str, ...] = ()
    adds: bool = True
    what: str = "dòng"


class ReportTable(NamedTuple):
    """One table of the report: `name` is short (a sheet's name), `title` what stands above it.

    source: where its figures come from, in a sentence; "" for what is no figure.
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
        """All of its pictures."""
        return (self.chart, *self.more) if self.chart else ()

    def plotted(self, chart: TableChart) -> tuple[TableRow, ...]:
        """The rows that a picture shows."""
        every = tuple(row for row in self.rows if not row.strong and not row.aside)
        return tuple(row for row in every if not chart.rows or row.key in chart.rows)

    def place(self, key: str) -> int:
        """Which column that is, from 0."""
        return [column.key for column in self.columns].index(key)


def value(cell: Cell) -> str | int | float | None:
    """What a cell says, computed."""
    return cell.value if isinstance(cell, Formula) else cell


def ratio(part: str, whole: str, value: float | None) -> Formula:
    """`part` of `whole`, empty where there is no whole or the part is not known."""
    return Formula(value, f'IF(OR({{{whole}}}=0,ISTEXT({{{part}}})),"",{{{part}}}/{{{whole}}})')


def total(value: int) -> Formula:
    """The sum of the column so far."""
    return Formula(value, "SUM({above})")

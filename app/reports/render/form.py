"""A form as rows and columns: values for every rendering, and the formulas that a spreadsheet keeps alive."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
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


class Column(NamedTuple):
    """`key` is for formulas, `width` in characters."""

    key: str
    title: str
    kind: Kind
    width: int


class Row(NamedTuple):
    """`key` is for formulas; `strong` rows are totals."""

    key: str
    cells: tuple[Cell, ...]
    strong: bool = False


class Form(NamedTuple):
    """One table of the report: `name` is short (a sheet's name), `title` what stands above it."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def value(cell: Cell) -> str | int | float | None:
    """What a cell says, computed."""
    return cell.value if isinstance(cell, Formula) else cell


def ratio(part: str, whole: str, value: float | None) -> Formula:
    """`part` of `whole`, empty where there is no whole."""
    return Formula(value, f'IF({{{whole}}}=0,"",{{{part}}}/{{{whole}}})')


def total(value: int) -> Formula:
    """The sum of the column so far."""
    return Formula(value, "SUM({above})")

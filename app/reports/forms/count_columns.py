"""Columns and cells of the table of figures (figures/figures.py), without what no receipt proves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app.reports.figures import labels
from app.reports.figures.carrier_statement import KINDS, StatedCounts, received_as
from app.reports.figures.carrier_statement import FigureSource as Source
from app.reports.figures.figures import FIGURES, Figures, provable
from app.reports.figures.numbers import NOTHING
from app.reports.figures.table_model import Cell, CellKind, Formula, TableColumn, ratio, total
from carriers.contract import ReceiptLevel

LEVELS: dict[int | None, str] = {
    None: "chưa có kết nối",
    ReceiptLevel.NONE: "không có biên nhận",
    ReceiptLevel.OPERATOR: "mức tổng đài",
    ReceiptLevel.HANDSET: "mức máy",
}
_WIDTH = 12


def columns(keys: Iterable[str]) -> tuple[TableColumn, ...]:
    """Return the columns of these figures."""
    found = (FIGURES[key] for key in keys)
    return tuple(
        TableColumn(each.key, each.label, CellKind.RATIO if each.part else CellKind.COUNT, _WIDTH)
        for each in found
    )


def measured(level: int | None) -> str:
    """Return the source line below a table of measured figures."""
    return f"Nguồn số liệu: {whose(Source.MEASURED, level)} ({labels.LEVEL_WORDS[level]}).{unproved(level)}"


def whose(kind: Source, *levels: int | None) -> str:
    """Say whose word figures are: nothing is measured by receipts where a run has none."""
    return "số đo" if kind is Source.MEASURED and not all(levels) else KINDS[kind]


def unproved(*levels: int | None) -> str:
    """Explain the sign for figures that no receipt proves, where a table may have one."""
    weak = any(level is not None and level < ReceiptLevel.HANDSET for level in levels)
    return f" Dấu “{labels.UNPROVED}”: {labels.NO_RECEIPTS}." if weak else ""


def part(level: int | None) -> str:
    """Label the sum of runs of one receipt level, the base of its ratio."""
    return f"Trong đó: {'biên nhận ' if level else ''}{LEVELS[level]}"


def cells(f: Figures, level: int | None) -> dict[str, Cell]:
    """Return the cell of every figure; a sum and ratios as formulas.

    With handset receipts, what the centre confirms is among the delivered: a dash, as 0 would mislead.
    """
    found: dict[str, Cell] = {}
    for key, n in provable(f, level).items():
        of = FIGURES[key].part
        found[key] = ratio(of, "sent", n) if of else labels.UNPROVED if n is None else n
    if found["relayed"] == 0 and level is not None and level >= ReceiptLevel.HANDSET:
        found["relayed"], found["relayed_ratio"] = NOTHING, ratio("relayed", "sent", None)
    return found | {"sent": Formula(f.sent, "{eligible}-{excluded}-{waiting}")}


def pick(cells: Mapping[str, Cell], keys: Iterable[str]) -> list[Cell]:
    """Return the cells of these figures, in the order of their columns."""
    return [cells[key] for key in keys]


def totals(f: Figures, level: int | None, one_level: bool = True) -> dict[str, Cell]:
    """Return the cells of a total row by the rule of each figure; one_level: whether ratios may be taken."""
    found = cells(f, level) | {"sent": f.sent}
    for key, cell in found.items():
        if FIGURES[key].part:
            found[key] = cell if one_level else None
        elif isinstance(cell, int):
            found[key] = total(cell)
    return found


def stated(counts: StatedCounts, level: ReceiptLevel) -> dict[str, Cell]:
    """Return the cells of figures that a carrier stated; those its form does not ask for are absent."""
    key = received_as(level)
    found: dict[str, Cell] = {
        each: labels.UNPROVED if n is None else n for each, n in counts.by_figure(level).items()
    }
    return found | {f"{key}_ratio": ratio(key, "sent", counts.received_ratio)}

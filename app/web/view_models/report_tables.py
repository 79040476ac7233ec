"""A report's forms as page tables, with cells in Vietnamese as in the documents."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from app.reports.export.formats import Report, tables_of
from app.reports.figures import numbers
from app.reports.figures.figures import CampaignReport
from app.reports.figures.table_model import CellKind, ReportTable, value
from app.reports.forms import carrier_tables, directive_areas


@dataclass(frozen=True, slots=True)
class ReportTableRow:
    """A row of formatted cells; strong: a total."""

    cells: tuple[str, ...]
    strong: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table. columns: title, and whether its cells are figures; anchor: its id on the page."""

    anchor: str
    title: str
    columns: tuple[tuple[str, bool], ...]
    lines: tuple[ReportTableRow, ...]
    source: str


def sheets(report: Report) -> list[Sheet]:
    """Return the forms for reading: no time steps, no areas of a directive, no runs of a campaign."""
    found = tables_of(report)
    if isinstance(report, CampaignReport):
        return [_sheet(each) for each in found[:1]]
    long = (carrier_tables.STEPS, directive_areas.NAME)
    return [_sheet(each) for each in found if each.name not in long and each.rows]


def _sheet(form: ReportTable) -> Sheet:
    columns = tuple((column.title, column.kind is not CellKind.TEXT) for column in form.columns)
    kinds = [column.kind for column in form.columns]
    lines = tuple(
        ReportTableRow(
            tuple(numbers.shown(kind, value(cell)) for kind, cell in zip(kinds, row.cells, strict=True)),
            row.strong,
        )
        for row in form.rows
    )
    anchor = f"s{hashlib.sha256(form.name.encode()).hexdigest()[:8]}"
    return Sheet(anchor, form.title, columns, lines, form.source)

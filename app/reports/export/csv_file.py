"""Forms as one CSV file: UTF-8 with BOM, commas, CRLF; deterministic.

Forms follow one another, each below its title and column names, separated by an empty line. Counts are plain
integers; ratios are per cent with two decimals and a point.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator

from app.file_import.cells import safe
from app.reports.figures.table_model import Cell, CellKind, ReportTable, value


def render(forms: Iterable[ReportTable]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for number, form in enumerate(forms):
        if number:
            writer.writerow([])
        writer.writerows(_lines(form))
    return codecs.BOM_UTF8 + text.getvalue().encode()


def _lines(form: ReportTable) -> Iterator[list[str]]:
    yield [form.title]
    if form.source:
        yield [form.source]
    yield [column.title for column in form.columns]
    for row in form.rows:
        yield [_plain(c.kind, cell) for c, cell in zip(form.columns, row.cells, strict=True)]


def _plain(kind: CellKind, cell: Cell) -> str:
    found = value(cell)
    if found is None:
        return ""
    if isinstance(found, str):
        return safe(found)  # may come from users, so formulas are defused
    if kind is CellKind.COUNT:
        return str(found)
    return f"{found * 100:.2f}" if kind is CellKind.RATIO else f"{found:.2f}"

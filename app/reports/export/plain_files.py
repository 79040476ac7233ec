"""Forms as one CSV file, and as text for a terminal.

In CSV (UTF-8 with BOM, commas, CRLF) forms follow one another, each below its title and column names,
separated by an empty line. Counts are plain integers; ratios are per cent with two decimals and a point.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from unicodedata import combining

from app.file_import.cells import safe
from app.reports.figures.numbers import in_percent, shown
from app.reports.figures.table_model import Cell, CellKind, ReportTable, value


def csv_file(forms: Iterable[ReportTable]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for number, form in enumerate(forms):
        if number:
            writer.writerow([])
        writer.writerows(_csv_lines(form))
    return codecs.BOM_UTF8 + text.getvalue().encode()


def _csv_lines(form: ReportTable) -> Iterator[list[str]]:
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
    return f"{in_percent(found, 2):.2f}" if kind is CellKind.RATIO else f"{found:.2f}"


def text(forms: Iterable[ReportTable]) -> str:
    return "\n\n".join("\n".join(_text_lines(form)) for form in forms) + "\n"


def _text_lines(form: ReportTable) -> Iterator[str]:
    yield form.title
    body = [
        [shown(c.kind, value(cell)) for c, cell in zip(form.columns, row.cells, strict=True)]
        for row in form.rows
    ]
    table = [[column.title for column in form.columns], *body]
    widths = [max(_width(line[n]) for line in table) for n in range(len(form.columns))]
    yield _line(form, table[0], widths)
    yield "  ".join("─" * width for width in widths)
    for line in body:
        yield _line(form, line, widths)


def _line(form: ReportTable, cells: list[str], widths: list[int]) -> str:
    padded = (
        _pad(cell, width, column.kind is not CellKind.TEXT)
        for cell, width, column in zip(cells, widths, form.columns, strict=True)
    )
    return "  ".join(padded).rstrip()


def _width(text: str) -> int:
    return sum(not combining(character) for character in text)


def _pad(text: str, width: int, right: bool) -> str:
    blank = " " * (width - _width(text))
    return blank + text if right else text + blank

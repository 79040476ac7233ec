"""Forms as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from unicodedata import combining

from app.reports.figures.numbers import shown
from app.reports.figures.table_model import CellKind, ReportTable, value


def render(forms: Iterable[ReportTable]) -> str:
    return "\n\n".join("\n".join(_lines(form)) for form in forms) + "\n"


def _lines(form: ReportTable) -> Iterator[str]:
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

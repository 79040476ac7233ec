"""A form as a PDF table: over as many pages as it needs, with its head on each and no row split."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_LEFT, TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import LongTable
from reportlab.platypus import Paragraph as Para

from app.file_import.cells import printable
from app.reports.document.model import Table
from app.reports.render import layout
from app.reports.render.numbers import shown
from app.reports.render.pdf_pages import FAMILY
from app.reports.render.table_model import CellKind, value


def table(block: Table, room: float) -> LongTable:
    """The table; `room`: millimetres between the margins."""
    form = block.form
    looks = {side: _look(block.size, side) for side in (TA_LEFT, TA_CENTER, TA_RIGHT)}
    lines: list[list[Any]] = [[_cell(column.title, looks[TA_CENTER], True) for column in form.columns]]
    for row in form.rows:
        said = [(column.kind, value(cell)) for column, cell in zip(form.columns, row.cells, strict=True)]
        lines.append([_cell(shown(*each), looks[_side(*each)], row.strong) for each in said])
    widths = [wide * mm for wide in layout.columns(form, room)]
    return LongTable(lines, colWidths=widths, repeatRows=1, style=_style(len(form.rows)))


def _look(size: float, side: int) -> ParagraphStyle:
    return ParagraphStyle(
        "cell", fontName=FAMILY, fontSize=size, leading=size * layout.SPACING, alignment=side
    )


def _side(kind: CellKind, said: object) -> int:
    if kind is CellKind.TEXT:
        return int(TA_LEFT)
    return int(TA_CENTER if isinstance(said, str) else TA_RIGHT)


def _cell(text: str, look: ParagraphStyle, strong: bool) -> Para:
    words = escape(printable(text))
    return Para(f"<b>{words}</b>" if strong else words, look)


def _style(rows: int) -> list[tuple[Any, ...]]:
    """Lines, paddings, and the rows that stay together."""
    end = layout.END_ROWS
    together = [(0, rows)] if rows <= layout.WHOLE_ROWS else [(0, end), (rows - end + 1, rows)]
    return [
        ("GRID", (0, 0), (-1, -1), 0.5, colors.black),
        ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor(0xEEF2F7)),
        ("VALIGN", (0, 0), (-1, 0), "MIDDLE"),
        ("VALIGN", (0, 1), (-1, -1), "TOP"),
        *((f"{side}PADDING", (0, 0), (-1, -1), 2) for side in ("LEFT", "RIGHT")),
        *((f"{side}PADDING", (0, 0), (-1, -1), 1.5) for side in ("TOP", "BOTTOM")),
        *(("NOSPLIT", (0, first), (0, last)) for first, last in together),
    ]

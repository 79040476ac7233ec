"""Heights of blocks on an upright page, about and in points: what is to fit on one page must know before."""

from __future__ import annotations

from math import ceil

from app.reports.figures.numbers import shown
from app.reports.figures.table_model import ReportTable, TableRow, value
from app.reports.forms import layout
from app.reports.papers.model import Block, DocumentPicture, Paragraph, Style, Table, Title

_MM = 72 / 25.4
_THIN = frozenset(" .,;:()'-/ijltìíịỉĩ")
_PADDING_MM, _NARROW = 1.6, 170.0  # of a column; points
_BODY_LINE = layout.BODY * layout.SPACING**2
_CELL = 2.0  # above and below a cell's text, together
# Letterhead with its lines, and what word processors set otherwise than this estimate.
HEAD, SPARE = 54.0, 32.0
PAGE = (layout.PAGE[1] - layout.TOP - layout.BOTTOM) * _MM - HEAD - SPARE


def lines(text: str, size: float, wide_mm: float | None = None) -> int:
    """Return about how many lines a text takes; in narrow columns words leave more of a line empty."""
    room = (layout.width(landscape=False) if wide_mm is None else wide_mm - _PADDING_MM) * _MM
    loss = 1.0 if room > _NARROW else 1.05
    return sum(max(1, ceil(_width(line) * size * loss / room)) for line in text.split("\n"))


def _width(text: str) -> float:
    """Return about the width of a line of Times in letter sizes."""
    return sum(0.7 if each.isupper() else 0.28 if each in _THIN else 0.45 for each in text)


def row(form: ReportTable, of: TableRow, size: float) -> float:
    """Return about the height of a table's row."""
    widths = layout.columns(form, layout.width(landscape=False), size)
    cells = zip(form.columns, of.cells, widths, strict=True)
    most = max(lines(shown(column.kind, value(cell)), size, wide) for column, cell, wide in cells)
    return most * size * layout.SPACING + _CELL


def around(table: Table) -> float:
    """Return about the height of a table's title, head and source, without its rows."""
    form = table.form
    widths = layout.columns(form, layout.width(landscape=False), table.size)
    heads = [lines(column.title, table.size, wide) for column, wide in zip(form.columns, widths, strict=True)]
    head = max(heads) * table.size * layout.SPACING + _CELL
    above, below = layout.CAPTION, layout.SOURCE
    title = lines(form.title, above.size) * above.size * layout.SPACING + above.before + above.after
    source = lines(table.source, below.size) * below.size * layout.SPACING + below.before + below.after
    return title + head + source


def of(block: Block) -> float:
    """Return about the height of a title, a paragraph, a whole table or a picture."""
    match block:
        case Title():
            notes = len(block.notes) * layout.UNDER_SUBJECT.size * layout.SPACING
            subject = lines(block.subject, layout.SUBJECT.size) * layout.SUBJECT.size * layout.SPACING
            return layout.KIND.before + layout.KIND.size * layout.SPACING + subject + notes + 8
        case Paragraph(style=style):
            indent = 0 if style is Style.NOTE else layout.INDENT
            return lines("x" * int(indent / 2) + block.text, layout.BODY) * _BODY_LINE + layout.AFTER
        case Table():
            return around(block) + sum(row(block.form, each, block.size) for each in block.form.rows)
        case DocumentPicture(title=title, height_mm=height):
            above = layout.CAPTION
            caption = lines(title, above.size) * above.size * layout.SPACING + above.before + above.after
            return caption + height * _MM
    raise TypeError(type(block).__name__)

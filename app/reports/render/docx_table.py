"""A form as a Word table: its head on every page, no row split, its last two rows together."""

from __future__ import annotations

from typing import Any

from docx.document import Document as Docx
from docx.enum.table import WD_CELL_VERTICAL_ALIGNMENT as VERTICAL
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Mm, Pt
from docx.table import _Cell

from app.file_import.cells import printable
from app.reports.document.model import Table
from app.reports.render import docx_parts as parts
from app.reports.render import layout
from app.reports.render.numbers import shown
from app.reports.render.table_model import CellKind, value


def add_table(docx: Docx, block: Table, room: float) -> None:
    """Title, table and source; `room`: millimetres between the margins."""
    form = block.form
    parts.line(docx, form.title, layout.CAPTION)
    made = docx.add_table(rows=1 + len(form.rows), cols=len(form.columns), style="Table Grid")
    made.autofit, made.alignment = False, WD_TABLE_ALIGNMENT.CENTER
    widths = layout.columns(form, room)
    for column, wide in zip(made.columns, widths, strict=True):
        column.width = Mm(wide)
    rows = list(made.rows)
    _head(rows[0], block, widths)
    for nth, (row, said) in enumerate(zip(rows[1:], form.rows, strict=True), 1):
        together = layout.stays(nth, len(form.rows))
        cells = zip(_cells(row), form.columns, said.cells, widths, strict=True)
        for cell, column, content, wide in cells:
            text = shown(column.kind, value(content))
            look = {"bold": said.strong, "align": _align(column.kind, value(content)), "keep": together}
            _put(cell, text, block.size, wide, **look)
        parts.whole(row)
    parts.line(docx, block.source, layout.SOURCE)


def _cells(row: Any) -> list[_Cell]:
    """The row's cells, each made once: python-docx's own list costs a search through the whole table."""
    return [_Cell(tc, row._parent) for tc in row._tr.tc_lst]


def _align(kind: CellKind, said: object) -> ALIGN:
    if kind is CellKind.TEXT:
        return ALIGN.LEFT
    return ALIGN.CENTER if isinstance(said, str) else ALIGN.RIGHT


def _head(row: Any, block: Table, widths: list[float]) -> None:
    for cell, column, wide in zip(_cells(row), block.form.columns, widths, strict=True):
        _put(cell, column.title, block.size, wide, bold=True, align=ALIGN.CENTER, keep=True)
        cell.vertical_alignment = VERTICAL.CENTER
        parts.shade(cell)
    row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    parts.whole(row)


def _put(cell: _Cell, text: str, size: float, wide: float, **look: Any) -> None:
    cell.width = Mm(wide)
    parts.narrow(cell)
    made = cell.paragraphs[0]
    made.alignment, made.paragraph_format.keep_with_next = look["align"], look["keep"]
    made.paragraph_format.space_before, made.paragraph_format.space_after = Pt(1), Pt(1)
    made.paragraph_format.line_spacing = 1.0
    # The end of a paragraph has a size of its own, which makes empty cells high.
    half_points = f'<w:rPr {nsdecls("w")}><w:sz w:val="{round(size * 2)}"/></w:rPr>'
    made._p.get_or_add_pPr().append(parse_xml(half_points))
    run = made.add_run(printable(text))
    run.bold, run.font.size = look["bold"], Pt(size)

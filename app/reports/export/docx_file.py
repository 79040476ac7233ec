"""Renders a document as .docx for editing in Word or LibreOffice: real headings, tables and sections."""

from __future__ import annotations

import io
import zipfile
from copy import deepcopy
from functools import cache, singledispatch
from typing import Any

from docx import Document
from docx.document import Document as Docx
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.table import WD_CELL_VERTICAL_ALIGNMENT as VERTICAL
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Mm, Pt
from docx.table import _Cell

from app.core import clock
from app.file_import.cells import printable
from app.reports.export import docx_parts as parts
from app.reports.export import docx_styles
from app.reports.figures.numbers import shown
from app.reports.figures.table_model import CellKind, value
from app.reports.forms import layout
from app.reports.papers.model import (
    Block,
    CheckCode,
    DocumentPicture,
    Heading,
    PaperDocument,
    PaperHead,
    Paragraph,
    Section,
    Signature,
    Style,
    Table,
    Title,
)

# Tables: header on every page, rows never split, the last two kept together


def add_table(docx: Docx, block: Table, room: float) -> None:
    """Add title, table and source; `room`: millimetres between the margins."""
    form = block.form
    parts.line(docx, form.title, layout.CAPTION)
    made = docx.add_table(rows=1 + len(form.rows), cols=len(form.columns), style="Table Grid")
    made.autofit, made.alignment = False, WD_TABLE_ALIGNMENT.CENTER
    widths = layout.columns(form, room, block.size)
    for column, wide in zip(made.columns, widths, strict=True):
        column.width = Mm(wide)
    rows, like = list(made.rows), dict[tuple[object, ...], Any]()
    _head(rows[0], block, widths)
    for nth, (row, said) in enumerate(zip(rows[1:], form.rows, strict=True), 1):
        together = layout.stays(nth, len(form.rows))
        cells = zip(_cells(row), form.columns, said.cells, widths, strict=True)
        for cell, column, content, wide in cells:
            text = shown(column.kind, value(content))
            look = {"bold": said.strong, "align": _align(column.kind, value(content)), "keep": together}
            _put_like(like, cell, text, block.size, wide, **look)
        parts.whole(row)
    parts.line(docx, block.source, layout.SOURCE)


def _cells(row: Any) -> list[_Cell]:
    """Return the row's cells without python-docx's own list, which searches the whole table for each row."""
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


def _put_like(
    like: dict[tuple[object, ...], Any], cell: _Cell, text: str, size: float, wide: float, **look: Any
) -> None:
    """Fill the cell as `_put` does, by a copy of one of the same look: a tenth of the time.

    Only a text that stands in one element as it is: no break, tab or blank at an end, and not nothing.
    """
    key, said = (size, wide, *look.values()), printable(text)
    known = like.get(key) if said.isprintable() and said and said == said.strip() else None
    if known is None:
        _put(cell, text, size, wide, **look)
        if len(cell._tc.xpath("./w:p/w:r/w:t")) == 1:
            like.setdefault(key, cell._tc)
        return
    made = deepcopy(known)
    (words,) = made.xpath("./w:p/w:r/w:t")
    words.text = said
    words.attrib.clear()
    cell._tc.getparent().replace(cell._tc, made)


def _put(cell: _Cell, text: str, size: float, wide: float, **look: Any) -> None:
    cell.width = Mm(wide)
    parts.narrow(cell)
    made = cell.paragraphs[0]
    docx_styles.styled(made, docx_styles.CELL)  # what follows differs from cell to cell
    made.alignment, made.paragraph_format.keep_with_next = look["align"], look["keep"]
    # The paragraph mark has a font size of its own, which would make empty cells taller.
    half_points = f'<w:rPr {nsdecls("w")}><w:sz w:val="{round(size * 2)}"/></w:rPr>'
    made._p.get_or_add_pPr().append(parse_xml(half_points))
    run = made.add_run(printable(text))
    run.bold, run.font.size = look["bold"], Pt(size)


# Deterministic Office files

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_PROPERTY = 255  # letters that a document property may have


def timeless(content: bytes) -> bytes:
    """Repack the archive with fixed timestamps, members in the same order."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.infolist():
            new.writestr(zipfile.ZipInfo(member.filename, _LONG_AGO), old.read(member), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def render(paper: PaperDocument) -> bytes:
    """Render to bytes, deterministically."""
    docx = Document(io.BytesIO(_empty()))
    _describe(docx, paper)
    for nth, section in enumerate(paper.sections):
        _page(docx, section, first=nth == 0)
        if nth and isinstance(section.blocks[0], PaperHead):
            docx.add_paragraph(
                style=docx_styles.BREAK
            )  # LibreOffice numbers no page anew that begins with a table
        for block in section.blocks:
            _add(block, docx, layout.width(section.landscape))
    for nth, made in enumerate(docx.sections):
        parts.set_headers(made, paper.mark, nth)
    file = io.BytesIO()
    docx.save(file)
    return timeless(file.getvalue())


@cache
def _empty() -> bytes:
    """Return a document with the papers' styles and nothing in it; to define the styles takes 50 ms."""
    docx = Document()
    docx_styles.set_styles(docx)
    parts.leave_out(docx)
    file = io.BytesIO()
    docx.save(file)
    return file.getvalue()


def _property(text: str) -> str:
    """Return a text in the length of a document's properties; what is cut is seen by its end."""
    plain = printable(text)
    return plain if len(plain) <= _PROPERTY else f"{plain[: _PROPERTY - 1]}…"


def _describe(docx: Docx, paper: PaperDocument) -> None:
    about, made = docx.core_properties, clock.from_ms(paper.cutoff_ms).replace(tzinfo=None)
    about.title, about.author = _property(paper.title), _property(paper.author)
    about.last_modified_by, about.language = "", "vi-VN"
    about.comments, about.revision, about.created, about.modified = "", 1, made, made


def _page(docx: Docx, section: Section, *, first: bool) -> None:
    made = docx.sections[0] if first else docx.add_section(WD_SECTION.NEW_PAGE)
    short, long = (Mm(side) for side in layout.PAGE)
    made.page_width, made.page_height = (long, short) if section.landscape else (short, long)
    made.orientation = WD_ORIENT.LANDSCAPE if section.landscape else WD_ORIENT.PORTRAIT
    made.top_margin, made.bottom_margin = Mm(layout.TOP), Mm(layout.BOTTOM)
    made.left_margin, made.right_margin = Mm(layout.LEFT), Mm(layout.RIGHT)
    made.header_distance, made.footer_distance = Mm(layout.NUMBER_FROM_TOP), Mm(layout.NUMBER_FROM_TOP)


@singledispatch
def _add(block: Block, docx: Docx, room: float) -> None:
    """Add one block; `room`: millimetres between the margins."""
    raise TypeError(type(block).__name__)


@_add.register
def _(block: PaperHead, docx: Docx, room: float) -> None:
    own = room * layout.HEAD_LEFT
    left, right = parts.beside(docx, (own, room - own))
    parts.line(left, block.superior.upper(), layout.SUPERIOR)
    parts.line(left, block.agency.upper(), layout.AGENCY)
    parts.rule(left, own, layout.AGENCY_RULE_MM)
    parts.line(left, block.number, layout.NUMBER)
    if block.about:
        parts.line(left, block.about, layout.ABOUT)
    parts.line(right, layout.NATION_WORDS, layout.NATION)
    parts.line(right, layout.MOTTO_WORDS, layout.MOTTO)
    parts.rule(right, room - own, layout.MOTTO_RULE_MM)
    parts.line(right, block.dated, layout.DATED)
    parts.finish(left, right)


@_add.register
def _(block: Title, docx: Docx, room: float) -> None:
    if block.kind:
        parts.line(docx, block.kind, layout.KIND)
        parts.line(docx, block.subject, layout.SUBJECT)
        for note in block.notes:
            parts.line(docx, note, layout.UNDER_SUBJECT)
        parts.rule(docx, room, layout.TITLE_RULE_MM)
    if block.to:
        parts.line(docx, block.to, layout.TO)


@_add.register
def _(block: Heading, docx: Docx, room: float) -> None:
    made = docx.add_heading(level=block.level)
    made.add_run(printable(block.text))


@_add.register
def _(block: Paragraph, docx: Docx, room: float) -> None:
    said = {Style.BLANK: "\t", Style.ITEM: f"- {block.text}"}.get(block.style, block.text)
    docx_styles.styled(docx.add_paragraph(printable(said)), docx_styles.PROSE[block.style])


@_add.register
def _(block: Table, docx: Docx, room: float) -> None:
    add_table(docx, block, room)


@_add.register
def _(block: DocumentPicture, docx: Docx, room: float) -> None:
    parts.line(docx, block.title, layout.CAPTION)
    made = docx_styles.styled(docx.add_paragraph(), docx_styles.PICTURE)
    wide, high = layout.fitted(block.width_mm, block.height_mm, room)
    shape: Any = made.add_run().add_picture(io.BytesIO(block.png), width=Mm(wide), height=Mm(high))
    shape._inline.docPr.set("descr", block.alt)


@_add.register
def _(block: Signature, docx: Docx, room: float) -> None:
    for last in docx.paragraphs[-2:]:
        last.paragraph_format.keep_with_next = True  # a signature never stands alone
    left, right = parts.beside(docx, (room * 0.5, room * 0.5))
    parts.line(left, layout.RECIPIENTS_WORDS, layout.RECIPIENTS_HEAD)
    for each in layout.recipients(block.recipients):
        parts.line(left, each, layout.RECIPIENT)
    lines = [parts.line(right, each, layout.POST) for each in layout.post(block.post)]
    lines[-1].paragraph_format.space_after = Mm(layout.SIGN_MM)
    if block.signer:
        parts.line(right, block.signer, layout.SIGNER)
    parts.finish(left, right)


@_add.register
def _(block: CheckCode, docx: Docx, room: float) -> None:
    parts.line(docx, "", layout.ABOUT_CODE)  # two tables without a line between them would be one
    own = layout.QR_MM + 4
    cells = parts.beside(docx, (own, room - own) if block.png else (room,))
    if block.png:
        run = docx_styles.styled(cells[0].add_paragraph(), docx_styles.PICTURE).add_run()
        shape: Any = run.add_picture(io.BytesIO(block.png), width=Mm(layout.QR_MM))
        shape._inline.docPr.set("descr", f"Mã QR: {block.address}")
    code, *about = block.lines
    parts.line(cells[-1], code, layout.CODE)
    for each in about:
        parts.line(cells[-1], each, layout.ABOUT_CODE)
    parts.finish(*cells)

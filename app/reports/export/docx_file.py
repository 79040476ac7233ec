"""Renders a document as .docx for editing in Word or LibreOffice: real headings, tables and sections."""

from __future__ import annotations

import io
import zipfile
from copy import deepcopy
from functools import cache, singledispatch
from importlib.resources import files
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
from docx.text.paragraph import Paragraph as Para

from app.core import clock
from app.file_import.cells import printable
from app.reports.figures.numbers import shown
from app.reports.figures.table_model import CellKind, value
from app.reports.forms import layout
from app.reports.forms.layout import LineStyle
from app.reports.papers import chart_images
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
    line(docx, form.title, layout.CAPTION)
    made = docx.add_table(rows=1 + len(form.rows), cols=len(form.columns), style="Table Grid")
    made.autofit, made.alignment = False, WD_TABLE_ALIGNMENT.CENTER
    widths = layout.columns(form, room, block.size)
    for column, wide in zip(made.columns, widths, strict=True):
        column.width = Mm(wide)
    rows, like = list(made.rows), dict[tuple[object, ...], Any]()
    _head(rows[0], block, widths)
    for nth, (row, said) in enumerate(zip(rows[1:], form.rows, strict=True), 1):
        together = layout.stays(nth, len(form.rows), block.below_picture)
        cells = zip(_cells(row), form.columns, said.cells, widths, strict=True)
        for cell, column, content, wide in cells:
            text = shown(column.kind, value(content))
            look = {"bold": said.strong, "align": _align(column.kind, value(content)), "keep": together}
            _put_like(like, cell, text, block.size, wide, **look)
        whole(row)
    line(docx, block.source, layout.SOURCE)


def _cells(row: Any) -> list[_Cell]:
    """Return the row's cells without python-docx's own list, which searches the whole table for each row."""
    return [_Cell(tc, row._parent) for tc in row._tr.tc_lst]


def _align(kind: CellKind, value: object) -> ALIGN:
    if kind is CellKind.TEXT:
        return ALIGN.LEFT
    return ALIGN.CENTER if isinstance(value, str) else ALIGN.RIGHT


def _head(row: Any, block: Table, widths: list[float]) -> None:
    for cell, column, wide in zip(_cells(row), block.form.columns, widths, strict=True):
        _put(cell, column.title, block.size, wide, bold=True, align=ALIGN.CENTER, keep=True)
        cell.vertical_alignment = VERTICAL.CENTER
        shade(cell)
    row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    whole(row)


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
    narrow(cell)
    made = cell.paragraphs[0]
    styled(made, CELL)  # what follows differs from cell to cell
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
            docx.add_paragraph(style=BREAK)  # LibreOffice numbers no page anew that begins with a table
        for block in section.blocks:
            _add(block, docx, layout.width(section.landscape))
    for nth, made in enumerate(docx.sections):
        set_headers(made, paper.mark, nth)
    file = io.BytesIO()
    docx.save(file)
    return timeless(file.getvalue())


@cache
def _empty() -> bytes:
    """Return the document with the papers' named styles and nothing in it; a test holds it against layout."""
    return (files("app") / "data" / "paper.docx").read_bytes()


@cache
def _ids() -> dict[str, str]:
    """Return the id of each named style."""
    return {style.name: style.style_id for style in Document(io.BytesIO(_empty())).styles}


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
    left, right = beside(docx, (own, room - own))
    line(left, block.superior.upper(), layout.SUPERIOR)
    line(left, block.agency.upper(), layout.AGENCY)
    rule(left, own, layout.AGENCY_RULE_MM)
    line(left, block.number, layout.NUMBER)
    if block.about:
        line(left, block.about, layout.ABOUT)
    line(right, layout.NATION_WORDS, layout.NATION)
    line(right, layout.MOTTO_WORDS, layout.MOTTO)
    rule(right, room - own, layout.MOTTO_RULE_MM)
    line(right, block.dated, layout.DATED)
    finish(left, right)


@_add.register
def _(block: Title, docx: Docx, room: float) -> None:
    if block.kind:
        line(docx, block.kind, layout.KIND)
        line(docx, block.subject, layout.SUBJECT)
        for note in block.notes:
            line(docx, note, layout.UNDER_SUBJECT)
        rule(docx, room, layout.TITLE_RULE_MM)
    if block.to:
        line(docx, block.to, layout.TO)


@_add.register
def _(block: Heading, docx: Docx, room: float) -> None:
    made = docx.add_heading(level=block.level)
    made.add_run(printable(block.text))


@_add.register
def _(block: Paragraph, docx: Docx, room: float) -> None:
    said = {Style.BLANK: "\t", Style.ITEM: f"- {block.text}"}.get(block.style, block.text)
    styled(docx.add_paragraph(printable(said)), PROSE[block.style])


@_add.register
def _(block: Table, docx: Docx, room: float) -> None:
    add_table(docx, block, room)


@_add.register
def _(block: DocumentPicture, docx: Docx, room: float) -> None:
    line(docx, block.title, layout.CAPTION)
    made = styled(docx.add_paragraph(), PICTURE)
    wide, high = layout.fitted(block.width_mm, block.height_mm, room)
    shape: Any = made.add_run().add_picture(
        io.BytesIO(chart_images.png(block.plot)), width=Mm(wide), height=Mm(high)
    )
    shape._inline.docPr.set("descr", block.alt)


@_add.register
def _(block: Signature, docx: Docx, room: float) -> None:
    for last in docx.paragraphs[-2:]:
        last.paragraph_format.keep_with_next = True  # a signature never stands alone
    left, right = beside(docx, (room * 0.5, room * 0.5))
    line(left, layout.RECIPIENTS_WORDS, layout.RECIPIENTS_HEAD)
    for each in layout.recipients(block.recipients):
        line(left, each, layout.RECIPIENT)
    lines = [line(right, each, layout.POST) for each in layout.post(block.post)]
    lines[-1].paragraph_format.space_after = Mm(layout.SIGN_MM)
    if block.signer:
        line(right, block.signer, layout.SIGNER)
    finish(left, right)


@_add.register
def _(block: CheckCode, docx: Docx, room: float) -> None:
    docx.paragraphs[-1].paragraph_format.keep_with_next = True  # nor does the code
    # Two tables without a line between them would be one.
    line(docx, "", layout.ABOUT_CODE).paragraph_format.keep_with_next = True
    own = layout.QR_MM + 4
    cells = beside(docx, (own, room - own) if block.png else (room,))
    if block.png:
        run = styled(cells[0].add_paragraph(), PICTURE).add_run()
        shape: Any = run.add_picture(io.BytesIO(block.png), width=Mm(layout.QR_MM))
        shape._inline.docPr.set("descr", f"Mã QR: {block.address}")
    code, *about = block.lines
    line(cells[-1], code, layout.CODE)
    for each in about:
        line(cells[-1], each, layout.ABOUT_CODE)
    finish(*cells)


# ---- What python-docx lacks: rules, borderless tables, page numbers, watermark

# Word rejects properties in another order than the schema's.
_AFTER_MARGINS = ("w:textDirection", "w:tcFitText", "w:vAlign", "w:hideMark")
_MARK = """
<w:r {w} xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office">
 <w:rPr><w:noProof/></w:rPr><w:pict>
 <v:shapetype id="_x0000_t136" coordsize="21600,21600" o:spt="136" adj="10800"
  path="m@7,l@8,m@5,21600l@6,21600e">
  <v:formulas><v:f eqn="sum #0 0 10800"/><v:f eqn="prod #0 2 1"/><v:f eqn="sum 21600 0 @1"/>
   <v:f eqn="sum 0 0 @2"/><v:f eqn="sum 21600 0 @3"/><v:f eqn="if @0 @3 0"/><v:f eqn="if @0 21600 @1"/>
   <v:f eqn="if @0 0 @2"/><v:f eqn="if @0 @4 21600"/></v:formulas>
  <v:path textpathok="t" o:connecttype="custom"/><v:textpath on="t" fitshape="t"/>
 </v:shapetype>
 <v:shape id="PowerPlusWaterMarkObject{nth}" o:spid="_x0000_s{place}" type="#_x0000_t136"
  o:allowincell="f" fillcolor="#{grey}" stroked="f"
  style="position:absolute;margin-left:0;margin-top:0;width:380pt;height:110pt;rotation:315;z-index:-251658752;
mso-position-horizontal:center;mso-position-horizontal-relative:margin;
mso-position-vertical:center;mso-position-vertical-relative:margin">
  <v:textpath style="font-family:&quot;Times New Roman&quot;;font-size:1pt" string="{words}"/>
 </v:shape></w:pict></w:r>
"""


def line(where: Docx | _Cell, text: str, look: LineStyle) -> Para:
    return styled(where.add_paragraph(printable(text)), look.name)


def rule(where: Docx | _Cell, room: float, wide: float) -> None:
    """Add a line `wide` millimetres long, centred in `room`."""
    spaced = styled(where.add_paragraph(), RULE).paragraph_format
    spaced.left_indent = spaced.right_indent = Mm(max(0.0, (room - wide) / 2 - 1))


def beside(docx: Docx, widths: tuple[float, ...]) -> list[_Cell]:
    """Return borderless cells side by side, widths in mm; `finish` later removes their first paragraph."""
    made = docx.add_table(rows=1, cols=len(widths))
    made.autofit = False
    whole(made.rows[0])
    for column, cell, wide in zip(made.columns, made.rows[0].cells, widths, strict=True):
        column.width = cell.width = Mm(wide)  # Word uses cells, LibreOffice columns
        narrow(cell)
    return list(made.rows[0].cells)


def narrow(cell: _Cell) -> None:
    """Remove the padding between a cell's edge and its text."""
    inner = (
        f'<w:tcMar {nsdecls("w")}><w:left w:w="30" w:type="dxa"/><w:right w:w="30" w:type="dxa"/></w:tcMar>'
    )
    cell._tc.get_or_add_tcPr().insert_element_before(parse_xml(inner), *_AFTER_MARGINS)


def shade(cell: _Cell) -> None:
    shading = f'<w:shd {nsdecls("w")} w:val="clear" w:color="auto" w:fill="EEF2F7"/>'
    cell._tc.get_or_add_tcPr().insert_element_before(
        parse_xml(shading), "w:noWrap", "w:tcMar", *_AFTER_MARGINS
    )


def whole(row: Any) -> None:
    """Keep the row on one page."""
    row._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))


def finish(*cells: _Cell) -> None:
    """Drop the empty paragraph that each cell began with."""
    for cell in cells:
        first = cell.paragraphs[0]._p
        first.getparent().remove(first)


def set_headers(section: Any, mark: str, nth: int) -> None:
    """Number the section's pages from 1 in the top margin, but not its first; watermark all."""
    section.different_first_page_header_footer = True
    start = parse_xml(f'<w:pgNumType {nsdecls("w")} w:start="1"/>')
    section._sectPr.insert_element_before(start, "w:cols", "w:titlePg", "w:docGrid")
    section.header.is_linked_to_previous = False
    numbered = section.header.paragraphs[0]
    styled(numbered, PAGE)
    _field(numbered, "PAGE")
    _mark(numbered, mark, 2 * nth + 1)
    section.first_page_header.is_linked_to_previous = False
    _mark(section.first_page_header.paragraphs[0], mark, 2 * nth + 2)


def _field(paragraph: Para, code: str) -> None:
    run = "<w:r><w:t>2</w:t></w:r>"
    paragraph._p.append(parse_xml(f'<w:fldSimple {nsdecls("w")} w:instr="{code}">{run}</w:fldSimple>'))


def _mark(paragraph: Para, words: str, nth: int) -> None:
    if words:
        grey = f"{round(layout.MARK_GREY * 255):02X}" * 3
        paragraph._p.append(
            parse_xml(_MARK.format(w=nsdecls("w"), nth=nth, place=2048 + nth, grey=grey, words=words))
        )


# ---- Paragraph styles by name: a look is changed once, and headings stand in Word's outline

RULE, PICTURE, BREAK, CELL, PAGE = "Kẻ ngang", "Hình", "Đầu trang", "Ô bảng", "Số trang"
PROSE = {
    Style.BODY: "Nội dung",
    Style.ITEM: "Gạch đầu dòng",
    Style.CENTRED: "Giữa dòng",
    Style.NOTE: "Ghi chú",
    Style.QUOTED: "Trích nguyên văn",
    Style.BLANK: "Dòng để trống",
}


def styled(paragraph: Para, name: str) -> Para:
    """Give a paragraph its style by id: python-docx would look through all styles for each name."""
    paragraph._p.style = _ids()[name]
    return paragraph

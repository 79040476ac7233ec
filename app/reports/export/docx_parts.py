"""Helpers that python-docx lacks: rules, borderless tables, page numbers, watermark."""

from __future__ import annotations

from typing import Any

from docx.document import Document as Docx
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Mm
from docx.table import _Cell
from docx.text.paragraph import Paragraph as Para

from app.file_import.cells import printable
from app.reports.export import docx_styles
from app.reports.forms import layout
from app.reports.forms.layout import LineStyle

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
    return docx_styles.styled(where.add_paragraph(printable(text)), look.name)


def rule(where: Docx | _Cell, room: float, wide: float) -> None:
    """Add a line `wide` millimetres long, centred in `room`."""
    spaced = docx_styles.styled(where.add_paragraph(), docx_styles.RULE).paragraph_format
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
    docx_styles.styled(numbered, docx_styles.PAGE)
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


def leave_out(docx: Docx) -> None:
    """Drop what python-docx's template brings: a picture of its page, a second set of styles, an old mode."""
    for holder in (docx.part.package, docx.part):
        for key, each in list(holder.rels.items()):
            if each.reltype.endswith(("/thumbnail", "/stylesWithEffects")):
                del holder.rels[key]
    for setting in docx.settings.element.iter(qn("w:compatSetting")):
        if setting.get(qn("w:name")) == "compatibilityMode":
            setting.set(qn("w:val"), "15")

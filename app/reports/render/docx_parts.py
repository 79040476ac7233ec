"""Helpers that python-docx lacks: fonts of all scripts, rules, borderless tables, page numbers, watermark."""

from __future__ import annotations

from typing import Any

from docx.document import Document as Docx
from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN
from docx.enum.text import WD_LINE_SPACING, WD_TAB_ALIGNMENT, WD_TAB_LEADER
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Mm, Pt, RGBColor
from docx.table import _Cell
from docx.text.paragraph import Paragraph as Para

from app.file_import.cells import printable
from app.reports.render import layout
from app.reports.render.layout import LineStyle

_SCRIPTS = ("w:ascii", "w:hAnsi", "w:cs", "w:eastAsia")
# Elements that follow in the schema's order: Word rejects properties in another order.
_AFTER_BORDERS = (
    "w:shd",
    "w:tabs",
    "w:spacing",
    "w:ind",
    "w:contextualSpacing",
    "w:jc",
    "w:outlineLvl",
    "w:rPr",
)
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


def set_styles(docx: Docx) -> None:
    _font(docx.styles["Normal"], layout.BODY)
    defaults = docx.styles.element.find(f"{qn('w:docDefaults')}/{qn('w:rPrDefault')}/{qn('w:rPr')}")
    for language in defaults.findall(qn("w:lang")):
        defaults.remove(language)
    spoken = OxmlElement("w:lang")
    for script in ("w:val", "w:eastAsia"):
        spoken.set(qn(script), "vi-VN")
    defaults.append(spoken)
    for level, italic in ((1, False), (2, False), (3, True)):
        style: Any = docx.styles[f"Heading {level}"]
        _font(style, layout.BODY)
        style.font.bold, style.font.italic = True, italic
        style.font.color.rgb = RGBColor(0, 0, 0)
        spaced = style.paragraph_format
        spaced.space_before, spaced.space_after, spaced.keep_with_next = Pt(8), Pt(4), True
        spaced.first_line_indent = Mm(layout.INDENT)


def _font(style: Any, size: float) -> None:
    style.font.name, style.font.size = layout.FONT, Pt(size)
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for name in list(fonts.attrib):
        if "Theme" in name:
            del fonts.attrib[name]
    for script in _SCRIPTS:
        fonts.set(qn(script), layout.FONT)


def line(where: Docx | _Cell, text: str, look: LineStyle) -> Para:
    made = where.add_paragraph()
    made.alignment = ALIGN.CENTER if look.centred else ALIGN.LEFT
    spaced = made.paragraph_format
    spaced.space_before, spaced.space_after = Pt(look.before), Pt(look.after)
    spaced.keep_with_next, spaced.line_spacing = look.keep, 1.0
    run = made.add_run(printable(text))
    run.bold, run.italic, run.font.size = look.bold, look.italic, Pt(look.size)
    return made


def rule(where: Docx | _Cell, room: float, wide: float) -> None:
    """Add a line `wide` millimetres long, centred in `room`."""
    made = where.add_paragraph()
    spaced = made.paragraph_format
    spaced.left_indent = spaced.right_indent = Mm(max(0.0, (room - wide) / 2 - 1))
    spaced.space_before, spaced.space_after = Pt(3), Pt(3)
    spaced.line_spacing_rule, spaced.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(3)
    border = '<w:pBdr {}><w:top w:val="single" w:sz="6" w:space="1" w:color="000000"/></w:pBdr>'
    _frame(made, border.format(nsdecls("w")))


def _frame(paragraph: Para, border: str) -> None:
    """Draw borders around a paragraph; Word wants them at their schema position."""
    paragraph._p.get_or_add_pPr().insert_element_before(parse_xml(border), *_AFTER_BORDERS)


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
    ground = f'<w:shd {nsdecls("w")} w:val="clear" w:color="auto" w:fill="EEF2F7"/>'
    cell._tc.get_or_add_tcPr().insert_element_before(
        parse_xml(ground), "w:noWrap", "w:tcMar", *_AFTER_MARGINS
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
    numbered.alignment = ALIGN.CENTER
    _field(numbered, "PAGE")
    _mark(numbered, mark, 2 * nth + 1)
    section.first_page_header.is_linked_to_previous = False
    _mark(section.first_page_header.paragraphs[0], mark, 2 * nth + 2)


def hairline(docx: Any) -> None:
    """Add a paragraph of one point without text."""
    made = docx.add_paragraph()
    made.paragraph_format.space_after = made.paragraph_format.space_before = Pt(0)
    made.paragraph_format.line_spacing = Pt(1)


def outline(paragraph: Para) -> None:
    """Show the paragraph in the navigation pane, as a heading of the first level."""
    level = parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="0"/>')
    paragraph._p.get_or_add_pPr().insert_element_before(level, "w:rPr", "w:sectPr")


def _field(paragraph: Para, code: str) -> None:
    size = f'<w:rPr><w:sz w:val="{round(layout.PAGE_NUMBER * 2)}"/></w:rPr>'
    run = f"<w:r>{size}<w:t>2</w:t></w:r>"
    paragraph._p.append(parse_xml(f'<w:fldSimple {nsdecls("w")} w:instr="{code}">{run}</w:fldSimple>'))


def _mark(paragraph: Para, words: str, nth: int) -> None:
    if words:
        grey = f"{round(layout.MARK_GREY * 255):02X}" * 3
        paragraph._p.append(
            parse_xml(_MARK.format(w=nsdecls("w"), nth=nth, place=2048 + nth, grey=grey, words=words))
        )


# Paragraph styles


def body(made: Para) -> None:
    made.alignment = ALIGN.JUSTIFY
    spaced = made.paragraph_format
    spaced.first_line_indent = Mm(layout.INDENT)
    spaced.space_after, spaced.line_spacing = Pt(layout.AFTER), layout.SPACING


def item(made: Para) -> None:
    body(made)
    made.runs[0].text = f"- {made.runs[0].text}"


def centred(made: Para) -> None:
    made.alignment = ALIGN.CENTER


def note(made: Para) -> None:
    made.runs[0].font.size, made.runs[0].italic = Pt(layout.SOURCE.size), True
    made.paragraph_format.space_after = Pt(layout.AFTER)


def quoted(made: Para) -> None:
    made.runs[0].font.size = Pt(layout.QUOTED)
    edge = 'w:val="single" w:sz="4" w:space="4" w:color="808080"'
    sides = "".join(f"<w:{side} {edge}/>" for side in ("top", "left", "bottom", "right"))
    _frame(made, f"<w:pBdr {nsdecls('w')}>{sides}</w:pBdr>")
    made.paragraph_format.left_indent = made.paragraph_format.right_indent = Mm(3)
    made.paragraph_format.space_after = Pt(10)


def blank(made: Para) -> None:
    end = Mm(layout.width(landscape=False))
    made.paragraph_format.tab_stops.add_tab_stop(end, WD_TAB_ALIGNMENT.RIGHT, WD_TAB_LEADER.DOTS)
    made.paragraph_format.space_after, made.paragraph_format.line_spacing = Pt(2), 1.0
    made.add_run("\t")

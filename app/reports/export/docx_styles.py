"""Paragraph styles of a .docx by name: a look is changed once, and headings stand in Word's outline."""

from __future__ import annotations

from typing import Any

from docx.document import Document as Docx
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN
from docx.enum.text import WD_LINE_SPACING, WD_TAB_ALIGNMENT, WD_TAB_LEADER
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Mm, Pt, RGBColor
from docx.text.paragraph import Paragraph as Para

from app.reports.forms import layout
from app.reports.papers.model import Style

RULE, PICTURE, BREAK, CELL, PAGE = "Kẻ ngang", "Hình", "Đầu trang", "Ô bảng", "Số trang"
PROSE = {
    Style.BODY: "Nội dung",
    Style.ITEM: "Gạch đầu dòng",
    Style.CENTRED: "Giữa dòng",
    Style.NOTE: "Ghi chú",
    Style.QUOTED: "Trích nguyên văn",
    Style.BLANK: "Dòng để trống",
}
# Ids have ASCII letters alone, which every program takes.
_NAMES = (*(look.name for look in layout.LINES), *PROSE.values(), RULE, PICTURE, BREAK, CELL, PAGE)
_IDS = {name: f"Kieu{nth}" for nth, name in enumerate(_NAMES, 1)}
_SCRIPTS = ("w:ascii", "w:hAnsi", "w:cs", "w:eastAsia")
# Elements that follow in the schema's order: Word rejects properties in another order.
_AFTER_BORDERS = ("w:shd", "w:tabs", "w:spacing", "w:ind", "w:contextualSpacing", "w:jc", "w:outlineLvl")


def styled(paragraph: Para, name: str) -> Para:
    """Give a paragraph its style by id: python-docx would look through all styles for each name."""
    paragraph._p.style = _IDS[name]
    return paragraph


def set_styles(docx: Docx) -> None:
    """Define every style that papers use."""
    _font(docx.styles["Normal"], layout.BODY)
    _set_language(docx)
    for level, italic in ((1, False), (2, False), (3, True)):
        style: Any = docx.styles[f"Heading {level}"]
        _font(style, layout.BODY)
        style.font.bold, style.font.italic = True, italic
        style.font.color.rgb = RGBColor(0, 0, 0)
        spaced = style.paragraph_format
        spaced.space_before, spaced.space_after, spaced.keep_with_next = _before(8), Pt(4), True
        spaced.first_line_indent = Mm(layout.INDENT)
    for look in layout.LINES:
        _add_line(docx, look)
    _add_prose(docx)
    _add_rest(docx)


def _set_language(docx: Docx) -> None:
    defaults = docx.styles.element.find(f"{qn('w:docDefaults')}/{qn('w:rPrDefault')}/{qn('w:rPr')}")
    for language in defaults.findall(qn("w:lang")):
        defaults.remove(language)
    spoken = OxmlElement("w:lang")
    for script in ("w:val", "w:eastAsia"):
        spoken.set(qn(script), "vi-VN")
    defaults.append(spoken)


def _font(style: Any, size: float) -> None:
    style.font.name, style.font.size = layout.FONT, Pt(size)
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for name in list(fonts.attrib):
        if "Theme" in name:
            del fonts.attrib[name]
    for script in _SCRIPTS:
        fonts.set(qn(script), layout.FONT)


def _new(docx: Docx, name: str, base: str = "Normal") -> Any:
    style: Any = docx.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
    style.element.set(qn("w:styleId"), _IDS[name])
    style.base_style, style.quick_style = docx.styles[base], True
    return style


def _add_line(docx: Docx, look: layout.LineStyle) -> None:
    heading = look is layout.KIND  # the paper and its annexes, in the outline
    style = _new(docx, look.name, "Heading 1" if heading else "Normal")
    style.font.size, style.font.bold, style.font.italic = Pt(look.size), look.bold, look.italic
    spaced = style.paragraph_format
    spaced.alignment = ALIGN.CENTER if look.centred else ALIGN.LEFT
    before = _before(look.before) if look is layout.CAPTION else Pt(look.before)
    after = layout.AFTER if look is layout.SOURCE else look.after
    spaced.space_before, spaced.space_after = before, Pt(after)
    spaced.keep_with_next, spaced.line_spacing = look.keep, 1.0
    if heading:
        spaced.first_line_indent = Mm(0)
        style.element.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="0"/>'))


def _before(points: float) -> Pt:
    """Return what is added to the space after prose: Word adds the two up, papers have the larger one."""
    return Pt(max(points - layout.AFTER, 0))


def _add_prose(docx: Docx) -> None:
    body = _new(docx, PROSE[Style.BODY]).paragraph_format
    body.alignment, body.first_line_indent = ALIGN.JUSTIFY, Mm(layout.INDENT)
    body.space_after, body.line_spacing = Pt(layout.AFTER), layout.SPACING
    _new(docx, PROSE[Style.ITEM], PROSE[Style.BODY])
    _new(docx, PROSE[Style.CENTRED]).paragraph_format.alignment = ALIGN.CENTER
    note = _new(docx, PROSE[Style.NOTE])
    note.font.size, note.font.italic = Pt(layout.SOURCE.size), True
    note.paragraph_format.space_after = Pt(layout.AFTER)
    quoted = _new(docx, PROSE[Style.QUOTED])
    quoted.font.size = Pt(layout.QUOTED)
    quoted.paragraph_format.left_indent = quoted.paragraph_format.right_indent = Mm(3)
    quoted.paragraph_format.space_after = Pt(10)
    edge = 'w:val="single" w:sz="4" w:space="4" w:color="808080"'
    _frame(quoted, "".join(f"<w:{side} {edge}/>" for side in ("top", "left", "bottom", "right")))
    dotted = _new(docx, PROSE[Style.BLANK])
    dotted.font.size = Pt(12)  # lines as far apart as in the PDF
    blank = dotted.paragraph_format
    blank.tab_stops.add_tab_stop(
        Mm(layout.width(landscape=False)), WD_TAB_ALIGNMENT.RIGHT, WD_TAB_LEADER.DOTS
    )
    blank.space_after, blank.line_spacing = Pt(0), 1.0


def _add_rest(docx: Docx) -> None:
    rule = _new(docx, RULE)
    spaced = rule.paragraph_format
    spaced.space_before, spaced.space_after = Pt(3), Pt(3)
    spaced.line_spacing_rule, spaced.line_spacing = WD_LINE_SPACING.EXACTLY, Pt(3)
    _frame(rule, '<w:top w:val="single" w:sz="6" w:space="1" w:color="000000"/>')
    picture = _new(docx, PICTURE).paragraph_format
    picture.alignment, picture.first_line_indent = ALIGN.CENTER, Pt(0)
    before_page = _new(docx, BREAK).paragraph_format
    before_page.space_after = before_page.space_before = Pt(0)
    before_page.line_spacing = Pt(1)
    cell = _new(docx, CELL).paragraph_format
    cell.space_before, cell.space_after, cell.line_spacing = Pt(1), Pt(1), 1.0
    page = _new(docx, PAGE)
    page.paragraph_format.alignment, page.font.size = ALIGN.CENTER, Pt(layout.PAGE_NUMBER)


def _frame(style: Any, sides: str) -> None:
    """Draw borders around a style's paragraphs; Word wants them at their schema position."""
    border = parse_xml(f"<w:pBdr {nsdecls('w')}>{sides}</w:pBdr>")
    style.element.get_or_add_pPr().insert_element_before(border, *_AFTER_BORDERS)

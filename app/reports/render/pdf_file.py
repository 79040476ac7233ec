"""Renders a document as PDF with embedded fonts: the same blocks and styles as the .docx."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from functools import singledispatch
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY, TA_LEFT, TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    HRFlowable,
    Image,
    KeepTogether,
    LongTable,
    NextPageTemplate,
    PageBreak,
    Spacer,
)
from reportlab.platypus import Paragraph as Para
from reportlab.platypus import Table as Grid

from app.file_import.cells import printable
from app.reports.document.model import (
    Block,
    DocumentPicture,
    Heading,
    PaperDocument,
    PaperHead,
    Paragraph,
    Signature,
    Style,
    Table,
    Title,
)
from app.reports.render import layout
from app.reports.render.layout import LineStyle
from app.reports.render.numbers import shown
from app.reports.render.pdf_pages import FAMILY, pages, register
from app.reports.render.table_model import CellKind, value

# Tables: over as many pages as needed, header on each, rows never split


def table(block: Table, room: float) -> LongTable:
    """Build the table; `room`: millimetres between the margins."""
    form = block.form
    looks = {side: _look(block.size, side) for side in (TA_LEFT, TA_CENTER, TA_RIGHT)}
    lines: list[list[Any]] = [[_cell(column.title, looks[TA_CENTER], True) for column in form.columns]]
    for row in form.rows:
        said = [(column.kind, value(cell)) for column, cell in zip(form.columns, row.cells, strict=True)]
        lines.append([_cell(shown(*each), looks[_side(*each)], row.strong) for each in said])
    widths = [wide * mm for wide in layout.columns(form, room, block.size)]
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
    end = layout.END_ROWS
    together = [(0, rows)] if rows <= layout.WHOLE_ROWS else [(0, end), (rows - end + 1, rows)]
    return [
        ("GRID", (0, 0), (-1, -1), 0.5, colors.black),
        ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor(0xEEF2F7)),
        ("VALIGN", (0, 0), (-1, 0), "MIDDLE"),
        ("VALIGN", (0, 1), (-1, -1), "TOP"),
        *((f"{side}PADDING", (0, 0), (-1, -1), 2) for side in ("LEFT", "RIGHT")),
        *((f"{side}PADDING", (0, 0), (-1, -1), 1) for side in ("TOP", "BOTTOM")),
        *(("NOSPLIT", (0, first), (0, last)) for first, last in together),
    ]


_BARE = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("ALIGN", (0, 0), (-1, -1), "CENTER"),
    *((f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")),
]


# Registered fonts are global to the process, and each keeps a read position in its file.
_FONTS = threading.Lock()


def render(paper: PaperDocument) -> bytes:
    """Render to bytes, deterministically. Serialized by a lock, since fonts are shared."""
    with _FONTS:
        return _render(paper)


def _render(paper: PaperDocument) -> bytes:
    register()
    file = io.BytesIO()
    made = BaseDocTemplate(
        file, title=paper.title, author=paper.author, subject=paper.mark, lang="vi-VN", invariant=1
    )
    made.addPageTemplates(pages(paper.mark, [section.landscape for section in paper.sections]))
    story: list[Flowable] = []
    for nth, section in enumerate(paper.sections):
        if nth:
            story += [NextPageTemplate(f"first {nth}"), PageBreak()]
        for block in section.blocks:
            for last in story[-2:] if isinstance(block, Signature) else ():
                last.keepWithNext = True  # a signature never stands alone
            story += _made(block, layout.width(section.landscape))
    made.build(story)
    return file.getvalue()


def line(text: str, look: LineStyle) -> Para:
    words = escape(printable(text)).replace("\n", "<br/>").replace("  ", " \u00a0")
    words = f"<b>{words}</b>" if look.bold else words
    style = ParagraphStyle(
        "line",
        fontName=FAMILY,
        fontSize=look.size,
        leading=look.size * layout.SPACING,
        alignment=TA_CENTER if look.centred else TA_LEFT,
        spaceBefore=look.before,
        spaceAfter=look.after,
        keepWithNext=look.keep,
    )
    return Para(f"<i>{words}</i>" if look.italic else words, style)


def _rule(wide: float, keep: bool = False) -> HRFlowable:
    made = HRFlowable(
        width=wide * mm, thickness=0.75, color=colors.black, spaceBefore=2, spaceAfter=4, hAlign="CENTER"
    )
    made.keepWithNext = keep
    return made


@singledispatch
def _made(block: Block, room: float) -> Sequence[Flowable]:
    """Return the block's flowables; `room`: millimetres between the margins."""
    raise TypeError(type(block).__name__)


@_made.register
def _(block: PaperHead, room: float) -> Sequence[Flowable]:
    left = [
        line(block.superior.upper(), layout.SUPERIOR),
        line(block.agency.upper(), layout.AGENCY),
        _rule(layout.AGENCY_RULE_MM),
        line(block.number, layout.NUMBER),
        *([line(block.about, layout.ABOUT)] if block.about else []),
    ]
    right = [
        line(layout.NATION_WORDS, layout.NATION),
        line(layout.MOTTO_WORDS, layout.MOTTO),
        _rule(layout.MOTTO_RULE_MM),
        line(block.dated, layout.DATED),
    ]
    own = room * layout.HEAD_LEFT
    return [Grid([[left, right]], colWidths=[own * mm, (room - own) * mm], style=_BARE)]


@_made.register
def _(block: Title, room: float) -> Sequence[Flowable]:
    found: list[Flowable] = []
    if block.kind:
        found = [line(block.kind, layout.KIND), line(block.subject, layout.SUBJECT)]
        found += [line(note, layout.UNDER_SUBJECT) for note in block.notes]
        found.append(_rule(layout.TITLE_RULE_MM, keep=True))
    return [*found, line(block.to, layout.TO)] if block.to else found


@_made.register
def _(block: Heading, room: float) -> Sequence[Flowable]:
    look = LineStyle(layout.BODY, bold=True, italic=block.level == 3, before=8, after=4, keep=True)
    made = line(block.text, look)
    made.style.firstLineIndent = layout.INDENT * mm
    return [made]


@_made.register
def _(block: Paragraph, room: float) -> Sequence[Flowable]:
    if block.style is Style.BLANK:
        return [_dots()]
    text = f"- {block.text}" if block.style is Style.ITEM else block.text
    look = {
        Style.CENTRED: LineStyle(layout.BODY, centred=True, after=layout.AFTER),
        Style.NOTE: layout.SOURCE,
        Style.QUOTED: LineStyle(layout.QUOTED, after=12, before=4),
    }.get(block.style)
    if look is None:
        made = line(text, LineStyle(layout.BODY, after=layout.AFTER))
        made.style.alignment, made.style.firstLineIndent = TA_JUSTIFY, layout.INDENT * mm
        made.style.leading = layout.BODY * layout.SPACING * layout.SPACING
        return [made]
    made = line(text, look)
    if block.style is Style.QUOTED:
        frame = {"borderWidth": 0.5, "borderColor": colors.grey, "borderPadding": 5}
        for name, each in frame.items():
            setattr(made.style, name, each)
        made.style.leftIndent = made.style.rightIndent = 3 * mm
    return [made]


def _dots() -> HRFlowable:
    """Return a dotted line for handwriting."""
    return HRFlowable("100%", 0.8, color=colors.black, spaceBefore=14, spaceAfter=6, dash=(0.8, 2.4))


@_made.register
def _(block: Table, room: float) -> Sequence[Flowable]:
    caption, source = line(block.form.title, layout.CAPTION), line(block.source, layout.SOURCE)
    if len(block.form.rows) <= layout.WHOLE_ROWS:
        return [caption, table(block, room), source]
    caption.keepWithNext = False  # which would keep the whole table on one page
    return [CondPageBreak(layout.BEGIN_MM * mm), caption, table(block, room), source]


@_made.register
def _(block: DocumentPicture, room: float) -> Sequence[Flowable]:
    wide, high = layout.fitted(block.width_mm, block.height_mm, room)
    made = Image(io.BytesIO(block.png), width=wide * mm, height=high * mm)
    return [KeepTogether([line(block.title, layout.CAPTION), made])]


@_made.register
def _(block: Signature, room: float) -> Sequence[Flowable]:
    left = [line(layout.RECIPIENTS_WORDS, layout.RECIPIENTS_HEAD)]
    left += [line(each, layout.RECIPIENT) for each in layout.recipients(block.recipients)]
    right: list[Any] = [line(each, layout.POST) for each in layout.post(block.post)]
    right.append(Spacer(1, layout.SIGN_MM * mm))
    right += [line(block.signer, layout.SIGNER)] if block.signer else []
    above = Spacer(1, 12)
    above.keepWithNext = True
    style = [each for each in _BARE if each[0] != "ALIGN"]
    return [above, Grid([[left, right]], colWidths=[room / 2 * mm] * 2, style=style)]

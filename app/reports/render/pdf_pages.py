"""PDF page templates and fonts: portrait and landscape, page numbers in the top margin, watermark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import as_file, files
from typing import Any

from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Frame, PageTemplate

from app.reports.render import layout

FAMILY = "LoaSerif"
BOLD = f"{FAMILY}-Bold"
_FACES = {FAMILY: "Regular", BOLD: "Bold", f"{FAMILY}-Italic": "Italic", f"{FAMILY}-BoldItalic": "BoldItalic"}


@cache
def register() -> None:
    """Register the fonts; only glyphs in use are embedded."""
    for name, face in _FACES.items():
        with as_file(files("app") / "data" / "fonts" / f"LiberationSerif-{face}.ttf") as path:
            pdfmetrics.registerFont(TTFont(name, str(path)))
    regular, bold, italic, both = _FACES
    pdfmetrics.registerFontFamily(FAMILY, normal=regular, bold=bold, italic=italic, boldItalic=both)


def pages(mark: str, landscape: Sequence[bool]) -> list[PageTemplate]:
    """Return two templates for each section: its first page, and the others, numbered from 2."""
    return [page for nth, across in enumerate(landscape) for page in _section(nth, mark, across)]


def _section(nth: int, mark: str, landscape: bool) -> Iterator[PageTemplate]:
    before = [0]  # pages before this section, known once its first page is drawn
    for name, numbered in ((f"first {nth}", False), (f"next {nth}", True)):
        made = _page(name, mark, before, numbered=numbered, landscape=landscape)
        made.autoNextPageTemplate = f"next {nth}"
        yield made


def _page(name: str, mark: str, before: list[int], *, numbered: bool, landscape: bool) -> PageTemplate:
    short, long = layout.PAGE
    wide, high = (long, short) if landscape else (short, long)
    room = (wide - layout.LEFT - layout.RIGHT, high - layout.TOP - layout.BOTTOM)
    places = (layout.LEFT, layout.BOTTOM, *room)
    frame = Frame(
        *(each * mm for each in places), leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0
    )

    def dress(canvas: Any, _document: Any) -> None:
        _mark(canvas, mark, wide, high)
        if not numbered:
            before[0] = canvas.getPageNumber() - 1
        else:
            canvas.setFont(FAMILY, layout.PAGE_NUMBER)
            middle = layout.LEFT + room[0] / 2
            y = (high - layout.NUMBER_FROM_TOP) * mm - layout.PAGE_NUMBER * 0.8
            canvas.drawCentredString(middle * mm, y, str(canvas.getPageNumber() - before[0]))

    return PageTemplate(name, [frame], onPage=dress, pagesize=(wide * mm, high * mm))


def _mark(canvas: Any, words: str, wide: float, high: float) -> None:
    if not words:
        return
    canvas.saveState()
    canvas.setFillGray(layout.MARK_GREY)
    canvas.setFont(BOLD, 92)
    canvas.translate(wide / 2 * mm, high / 2 * mm)
    canvas.rotate(45)
    canvas.drawCentredString(0, -32, words)
    canvas.restoreState()

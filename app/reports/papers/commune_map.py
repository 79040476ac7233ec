"""A map of the communes by received share, in greys that print: a named tile each, by former districts.

No free data has the borders of the communes of July 2025, so it says who belongs together, not where it lies.
"""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from math import ceil, floor
from typing import TYPE_CHECKING, NamedTuple

from app.core import areas
from app.reports.papers.chart_images import font
from app.reports.papers.model import DocumentPicture

if TYPE_CHECKING:
    from PIL import ImageDraw

_DPMM, _WIDTH_MM, _COLUMNS, _LINE_MM, _LEGEND_MM = 8, 160, 6, 3.5, 5.0
_SIZE, _INK, _PAPER = 7, 20, 255
_DISTRICTS_OF = date(2025, 6, 1)
TITLE = "Tỷ lệ nhận theo xã, phường (%, làm tròn xuống; “–”: chưa có biên nhận của máy thuê bao)"


class _Class(NamedTuple):
    """Shares from `least` on; fill: its grey, 255 is white; ink: of the words on it."""

    least: float
    words: str
    fill: int
    ink: int


_CLASSES = (
    _Class(0.92, "từ 92 %", 255, _INK),
    _Class(0.80, "80 đến dưới 92 %", 222, _INK),
    _Class(0.50, "50 đến dưới 80 %", 178, _INK),
    _Class(0.0, "dưới 50 %", 96, 255),
)
_NOTHING = _Class(-1.0, "chưa có biên nhận", 255, _INK)


class _Line(NamedTuple):
    """A district's name (of: None), or a commune's tile."""

    name: str
    of: _Class | None = None
    share: str = ""


def draw(shares: Mapping[str, float], on: date) -> DocumentPicture | None:
    """Return the map of the day's communes by these shares (0 to 1); None where districts are reported."""
    return _drawn(tuple(sorted(shares.items())), on)


@lru_cache(8)  # each format and the page of its own show the same, and writing the picture takes 0.1 s
def _drawn(pairs: tuple[tuple[str, float], ...], on: date) -> DocumentPicture | None:
    shares = dict(pairs)
    communes = [area for area in areas.reported(on) if len(area.code) == 5]
    if not communes or not shares:
        return None
    lines = _lines(communes, shares)
    high = ceil(len(lines) / _COLUMNS)
    height = high * _LINE_MM + _LEGEND_MM
    from PIL import Image, ImageDraw

    image = Image.new("L", (_WIDTH_MM * _DPMM, round(height * _DPMM)), _PAPER)
    pen = ImageDraw.Draw(image)
    for nth, line in enumerate(lines):
        _draw_line(pen, line, (nth // high * _WIDTH_MM / _COLUMNS, nth % high * _LINE_MM))
    _draw_legend(pen, height - _LEGEND_MM + 1)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True, transparency=_PAPER)  # the mark of a draft shows through
    return DocumentPicture(TITLE, file.getvalue(), _WIDTH_MM, height, _alt(lines))


def _lines(communes: list[areas.Area], shares: Mapping[str, float]) -> list[_Line]:
    groups: defaultdict[str, list[areas.Area]] = defaultdict(list)
    for each in communes:
        groups[next(iter(areas.old_districts(each.code, date.max)), "")].append(each)
    found = []
    for district in sorted(groups):
        found.append(_Line(areas.name(district, _DISTRICTS_OF)))
        for each in sorted(groups[district], key=lambda area: area.code):
            share = shares.get(each.code)
            found.append(
                _Line(_short(each.name), _class(share), "–" if share is None else str(floor(share * 100)))
            )
    return found


def _short(name: str) -> str:
    """Return a commune's name without "Xã"; a ward is P., as tables have it."""
    return name.removeprefix("Xã ").replace("Phường ", "P. ", 1)


def _class(share: float | None) -> _Class:
    if share is None:
        return _NOTHING
    return next(each for each in _CLASSES if share >= each.least)


def _draw_line(pen: ImageDraw.ImageDraw, line: _Line, at: tuple[float, float]) -> None:
    left, top = (round(each * _DPMM) for each in at)
    wide, high = round((_WIDTH_MM / _COLUMNS - 1) * _DPMM), round(_LINE_MM * _DPMM)
    middle = top + high // 2
    if line.of is None:
        pen.text((left, middle), line.name, _INK, font(_SIZE, bold=True), anchor="lm")
        return
    pen.rectangle((left, top + 1, left + wide, top + high - 1), fill=line.of.fill, outline=150)
    pen.text((left + 6, middle), line.name, line.of.ink, font(_SIZE), anchor="lm")
    pen.text((left + wide - 6, middle), line.share, line.of.ink, font(_SIZE, bold=True), anchor="rm")


def _draw_legend(pen: ImageDraw.ImageDraw, top_mm: float) -> None:
    side, top = round(3 * _DPMM), round(top_mm * _DPMM)
    for nth, each in enumerate(_CLASSES):
        left = round(nth * _WIDTH_MM / len(_CLASSES) * _DPMM)
        pen.rectangle((left, top, left + 2 * side, top + side), fill=each.fill, outline=_INK)
        pen.text((left + 2 * side + 8, top + side // 2), each.words, _INK, font(_SIZE), anchor="lm")


def _alt(lines: list[_Line]) -> str:
    """Say how many communes are in each class; their shares stand in form 6 and in the carriers' forms."""
    found = Counter(line.of for line in lines if line.of)
    said = "; ".join(f"{each.words}: {found[each]} xã, phường" for each in (*_CLASSES, _NOTHING))
    return f"{TITLE}. {said}."

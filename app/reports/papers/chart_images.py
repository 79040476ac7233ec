"""Renders a form's chart as a PNG, the same in every format, in the document's own font."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, NamedTuple

from app.reports.figures.numbers import count
from app.reports.figures.table_model import ReportTable, TableChart, TableRow, value
from app.reports.papers.model import DocumentPicture

if TYPE_CHECKING:  # only drawing needs it, and it is slow to import
    from PIL import ImageDraw, ImageFont

_DPMM = 8  # dots per mm: 203 dpi
_WIDTH_MM = 160
_COLUMNS_MM = 50
_ROW_MM = 5.0
_MOST_ROWS = 15  # the table shows the rest
_WIDEST_MM = 24.0  # of the bars of one step
_Colour = tuple[int, int, int]
_COLOURS: tuple[_Colour, ...] = ((143, 168, 200), (46, 125, 79), (217, 164, 65))
_INK, _RULE, _PAPER = (20, 20, 20), (205, 205, 205), (255, 255, 255)
_LABEL_MM, _MARGIN_MM, _LEGEND_MM = 48, 4, 9


class _Plot(NamedTuple):
    """Names of the bar groups; names and colours of the bars within each; their heights."""

    groups: tuple[str, ...]
    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    heights: tuple[tuple[int, ...], ...]

    @property
    def most(self) -> int:
        return max((n for each in self.heights for n in each), default=0)


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float


@cache
def font(points: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the papers' own font in points, for the pictures of 203 dpi."""
    from PIL import ImageFont

    name = f"LiberationSerif-{'Bold' if bold else 'Regular'}.ttf"
    with as_file(files("app") / "data" / "fonts" / name) as path:
        return ImageFont.truetype(
            str(path), round(points * 0.3528 * _DPMM), layout_engine=ImageFont.Layout.BASIC
        )


def draw(form: ReportTable) -> DocumentPicture | None:
    """Return the form's first chart; None if it has none, or nothing to show."""
    return next(iter(draw_all(form)), None)


def draw_all(form: ReportTable) -> tuple[DocumentPicture, ...]:
    return tuple(picture for chart in form.charts if (picture := _draw(form, chart)))


def _draw(form: ReportTable, chart: TableChart) -> DocumentPicture | None:
    rows = _rows_of(form, chart)
    plot = _plot(form, chart, rows)
    if not plot.most or len(plot.groups) < 2:  # one bar compares nothing
        return None
    height = _ROW_MM * len(plot.groups) + 2 * _LEGEND_MM if chart.across else _COLUMNS_MM
    title = f"{chart.title}{_left_out(form, chart, rows)}"
    image = _png(plot, chart.across, (_WIDTH_MM * _DPMM, round(height * _DPMM)))
    return DocumentPicture(title, image, _WIDTH_MM, height, f"{title}. {_alt_text(form, chart, plot)}")


@lru_cache(maxsize=32)  # each format of a report asks for the same few
def _png(plot: _Plot, across: bool, size: tuple[int, int]) -> bytes:
    from PIL import Image, ImageDraw

    image = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(image)
    (_horizontal if across else _vertical)(pen, plot, size)
    _legend(pen, plot, size)
    file = io.BytesIO()
    made = image.quantize(64, dither=Image.Dither.NONE)
    # The ground is clear, so that the mark of a draft can be read through the picture.
    made.save(file, "PNG", optimize=True, transparency=made.getpixel((0, 0)))
    return file.getvalue()


def _rows_of(form: ReportTable, chart: TableChart) -> tuple[TableRow, ...]:
    """Return the rows to draw: with too many horizontal bars, the largest ones."""
    rows = form.plotted(chart)
    if chart.across and len(rows) > _MOST_ROWS:
        first = form.place(chart.series[0])
        rows = tuple(sorted(rows, key=lambda row: -_number(value(row.cells[first])))[:_MOST_ROWS])
    return rows


def _left_out(form: ReportTable, chart: TableChart, rows: Sequence[TableRow]) -> str:
    """Name the rows that stand in the table but not in the picture."""
    every, first = len(form.plotted(chart)), form.place(chart.series[0])
    notes = []
    if len(rows) < every:
        column = form.columns[first].title.lower()
        notes.append(f"{len(rows)} {chart.what} có số {column} nhiều nhất trong {every} {chart.what}")
    aside = [row for row in form.rows if row.aside and _number(value(row.cells[first]))]
    if aside:
        label = form.place(chart.label)
        names = "; ".join(str(value(row.cells[label])) for row in aside)
        notes.append(f"không vẽ: {names[0].lower()}{names[1:]}")
    return f" ({'; '.join(notes)})" if notes else ""


def _plot(form: ReportTable, chart: TableChart, rows: Sequence[TableRow]) -> _Plot:
    """Collect the chart's numbers; a column without any, or with zeros alone, gets no bar."""
    places = [form.place(key) for key in chart.series]
    shown = [p for p in places if any(_number(value(row.cells[p])) for row in rows)]
    label = form.place(chart.label)
    return _Plot(
        groups=tuple(str(value(row.cells[label])) for row in rows),
        names=tuple(form.columns[p].title for p in shown),
        colours=tuple(colour for p, colour in zip(places, _COLOURS, strict=False) if p in shown),
        heights=tuple(tuple(_number(value(row.cells[p])) for p in shown) for row in rows),
    )


def _number(said: object) -> int:
    return said if isinstance(said, int) else 0


def _alt_text(form: ReportTable, chart: TableChart, plot: _Plot) -> str:
    """Write the alt text: each bar where bars may not be added up, else the form's total."""
    if not chart.adds:
        rows = zip(plot.groups, plot.heights, strict=True)
        return " ".join(f"{group}: {_listing(plot.names, heights)}." for group, heights in rows)
    places = [next(n for n, c in enumerate(form.columns) if c.title == name) for name in plot.names]
    last = next((row for row in form.rows if row.strong), None)
    if last is not None:
        return f"{_name_of(last)}: {_listing(plot.names, [_number(value(last.cells[p])) for p in places])}."
    every = form.plotted(chart)
    return f"{_listing(plot.names, [sum(_number(value(row.cells[p])) for row in every) for p in places])}."


def _name_of(row: TableRow) -> str:
    return next((cell for cell in row.cells if isinstance(cell, str) and cell), "")


def _listing(names: Sequence[str], numbers: Sequence[int]) -> str:
    return "; ".join(f"{name}: {count(n)}" for name, n in zip(names, numbers, strict=True))


def _scale(most: int) -> list[int]:
    """Return four or five round steps that reach the highest bar."""
    step = 1
    while most / step > 5:
        step = step * 2 if str(step)[0] in "15" else step * 5 // 2
    return list(range(0, most + step, step))


def _vertical(pen: ImageDraw.ImageDraw, plot: _Plot, size: tuple[int, int]) -> None:
    d = _DPMM
    box = _Box(18 * d, 4 * d, size[0] - _MARGIN_MM * d, size[1] - (_LEGEND_MM + 13) * d)
    scale = _scale(plot.most)
    for n in scale:
        y = box.bottom - (box.bottom - box.top) * n / scale[-1]
        pen.line((box.left, y, box.right, y), fill=_RULE, width=1)
        pen.text((box.left - d, y), count(n), fill=_INK, font=font(9), anchor="rm")
    slot = (box.right - box.left) / len(plot.groups)
    every = -(-len(plot.groups) // 8)
    for nth, heights in enumerate(plot.heights):
        left = box.left + slot * nth
        half = min(slot * 0.76, _WIDEST_MM * d) / 2
        room = box._replace(left=left + slot / 2 - half, right=left + slot / 2 + half)
        _columns(pen, room, [n / scale[-1] for n in heights], plot.colours)
        if nth % every == 0:
            day, _, hour = plot.groups[nth].partition(" ")
            middle = left + slot / 2
            pen.text((middle, box.bottom + d), hour, fill=_INK, font=font(9), anchor="ma")
            pen.text((middle, box.bottom + 5 * d), day[:5], fill=_INK, font=font(8), anchor="ma")
    pen.line((box.left, box.bottom, box.right, box.bottom), fill=_INK, width=2)


def _columns(pen: ImageDraw.ImageDraw, box: _Box, parts: Sequence[float], colours: Sequence[_Colour]) -> None:
    """Draw bars side by side; `parts` are fractions of the box's height."""
    width = (box.right - box.left) / len(parts)
    for nth, (part, colour) in enumerate(zip(parts, colours, strict=True)):
        left, y = box.left + width * nth, box.bottom - (box.bottom - box.top) * part
        if part:
            pen.rectangle((left, min(y, box.bottom - 2), left + width - 1, box.bottom), fill=colour)


def _horizontal(pen: ImageDraw.ImageDraw, plot: _Plot, size: tuple[int, int]) -> None:
    d = _DPMM
    box = _Box(_LABEL_MM * d, 2 * d, size[0] - (_MARGIN_MM + 14) * d, size[1] - (_LEGEND_MM + 6) * d)
    scale = _scale(plot.most)
    for n in scale:
        x = box.left + (box.right - box.left) * n / scale[-1]
        pen.line((x, box.top, x, box.bottom), fill=_RULE, width=1)
        pen.text((x, box.bottom + d), count(n), fill=_INK, font=font(9), anchor="ma")
    slot = (box.bottom - box.top) / len(plot.groups)
    for nth, (name, heights) in enumerate(zip(plot.groups, plot.heights, strict=True)):
        top, longest = box.top + slot * nth, (box.right - box.left) * max(heights) / scale[-1]
        pen.text((box.left - d, top + slot / 2), _cut(name), fill=_INK, font=font(9), anchor="rm")
        room = _Box(box.left, top + slot * 0.1, box.right, top + slot * 0.9)
        _rows(pen, room, [n / scale[-1] for n in heights], plot.colours)
        spot = (box.left + longest + d, top + slot / 2)
        pen.text(spot, count(heights[0]), fill=_INK, font=font(8), anchor="lm")
    pen.line((box.left, box.top, box.left, box.bottom), fill=_INK, width=2)


def _rows(pen: ImageDraw.ImageDraw, box: _Box, parts: Sequence[float], colours: Sequence[_Colour]) -> None:
    """Draw bars one below another; `parts` are fractions of the box's width."""
    thick = (box.bottom - box.top) / len(parts)
    for nth, (part, colour) in enumerate(zip(parts, colours, strict=True)):
        y, x = box.top + thick * nth, box.left + (box.right - box.left) * part
        if part:
            pen.rectangle((box.left, y, max(x, box.left + 2), y + thick - 1), fill=colour)


def _cut(name: str) -> str:
    room = (_LABEL_MM - 3) * _DPMM
    while font(9).getlength(name) > room:
        name = name[:-2].rstrip() + "…"
    return name


def _legend(pen: ImageDraw.ImageDraw, plot: _Plot, size: tuple[int, int]) -> None:
    d, y = _DPMM, size[1] - 4 * _DPMM
    widths = [font(9).getlength(name) + 9 * d for name in plot.names]
    x = (size[0] - sum(widths)) / 2
    for name, width, colour in zip(plot.names, widths, plot.colours, strict=True):
        pen.rectangle((x, y - 1.5 * d, x + 3 * d, y + 1.5 * d), fill=colour)
        pen.text((x + 4.5 * d, y), name, fill=_INK, font=font(9), anchor="lm")
        x += width

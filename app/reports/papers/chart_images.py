"""A form's chart as data for app/data/chart.typ, which draws it in a paper, or by itself as a PNG."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from app.reports.figures.numbers import count
from app.reports.figures.table_model import ReportTable, TableChart, TableRow, value
from app.reports.papers.model import DocumentPicture

_DPI = 160
_WIDTH_MM = 160
_COLUMNS_MM = 50
_ROW_MM, _LEGEND_MM = 5.0, 9
# Fewer bars of named rows are compared faster in the table beside them, which also shows more than the most.
_FEWEST_ROWS, _MOST_ROWS = 4, 15
_COLOURS = ((143, 168, 200), (46, 125, 79), (217, 164, 65))


def draw(form: ReportTable) -> DocumentPicture | None:
    """Return the form's first chart; None if it has none, or nothing to show."""
    return next(iter(draw_all(form)), None)


def draw_all(form: ReportTable) -> tuple[DocumentPicture, ...]:
    return tuple(picture for chart in form.charts if (picture := _draw(form, chart)))


def _draw(form: ReportTable, chart: TableChart) -> DocumentPicture | None:
    """Draw the chart's numbers; a column without any, or with zeros alone, gets no bar."""
    rows = _rows_of(form, chart)
    numbers = {key: [_number(value(row.cells[form.place(key)])) for row in rows] for key in chart.series}
    shown = [key for key in chart.series if any(numbers[key])]
    if not shown or len(rows) < (_FEWEST_ROWS if chart.across else 2):  # one bar compares nothing
        return None
    names = [form.columns[form.place(key)].title for key in shown]
    groups = [str(value(row.cells[form.place(chart.label)])) for row in rows]
    steps = _scale(max(n for key in shown for n in numbers[key]))
    height = _ROW_MM * len(groups) + 2 * _LEGEND_MM if chart.across else _COLUMNS_MM
    first = [count(numbers[shown[0]][n]) for n in range(len(rows))]
    plot = {
        "wide": _WIDTH_MM,
        "high": height,
        "across": chart.across,
        "names": names,
        "colours": [_COLOURS[nth] for nth, key in enumerate(chart.series) if key in shown],
        "scale": [(count(n), n / steps[-1]) for n in steps],
        "groups": [*zip(groups, first, strict=True)] if chart.across else [_moment(each) for each in groups],
        "parts": [[numbers[key][n] / steps[-1] for key in shown] for n in range(len(rows))],
    }
    title = f"{chart.title}{_left_out(form, chart, rows)}"
    bars = [(group, [numbers[key][n] for key in shown]) for n, group in enumerate(groups)]
    alt = f"{title}. {_alt_text(form, chart, shown, names, bars)}"
    return DocumentPicture(title, json.dumps(plot), _WIDTH_MM, height, alt)


def _moment(text: str) -> tuple[str, str]:
    """Return day and hour of a time step."""
    day, _, hour = text.partition(" ")
    return day[:5], hour


@lru_cache(maxsize=32)  # each format of a report asks for the same few
def png(plot: str) -> bytes:
    """Return the picture by itself. Its ground is clear, so that a draft's mark can be read through it."""
    import typst  # only drawing needs it

    with tempfile.TemporaryDirectory(prefix="loa-chart-") as name, as_file(files("app") / "data") as data:
        for source in ("chart.typ", "picture.typ"):
            shutil.copy(data / source, name)
        Path(name, "plot.json").write_text(plot, "utf-8")
        options: dict[str, Any] = {"font_paths": [data / "fonts"], "ignore_system_fonts": True}
        made: Any = typst.compile(Path(name, "picture.typ"), format="png", ppi=_DPI, **options)
    return bytes(made)


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


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _alt_text(
    form: ReportTable,
    chart: TableChart,
    shown: Sequence[str],
    names: Sequence[str],
    bars: Sequence[tuple[str, Sequence[int]]],
) -> str:
    """Write the alt text: each bar where bars may not be added up, else the form's total."""
    if not chart.adds:
        return " ".join(f"{group}: {_listing(names, heights)}." for group, heights in bars)
    places = [form.place(key) for key in shown]
    last = next((row for row in form.rows if row.strong), None)
    if last is not None:
        return f"{_name_of(last)}: {_listing(names, [_number(value(last.cells[p])) for p in places])}."
    every = form.plotted(chart)
    return f"{_listing(names, [sum(_number(value(row.cells[p])) for row in every) for p in places])}."


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

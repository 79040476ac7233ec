"""Inline SVG charts: shares as a stacked bar, time series as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH = 1000  # units of a bar; CSS stretches it


@dataclass(frozen=True, slots=True)
class Span:
    x: int
    width: int


def stacked(parts: Mapping[str, int]) -> dict[str, Span]:
    """Place the parts one after another over WIDTH units; non-zero ones stay wide enough to see."""
    total = sum(parts.values())
    found, x = {}, 0
    for (name, n), wide in zip(parts.items(), _widths(list(parts.values()), total), strict=True):
        found[name] = Span(x, wide if n else 0)
        x += found[name].width
    return found


def _widths(counts: Sequence[int], total: int) -> list[int]:
    """Return integer widths that add up to WIDTH; the largest part makes up for widened small ones."""
    if total <= 0:
        return [0] * len(counts)
    wide = [max(n * WIDTH // total, 4) if n else 0 for n in counts]
    wide[counts.index(max(counts))] += WIDTH - sum(wide)
    return wide


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A time series: `points` for a polyline, `area` for the filled path below it."""

    name: str
    points: str
    area: str


@dataclass(frozen=True, slots=True)
class SvgChart:
    """A chart of `width` x `height` units; ticks: (height in units, value) of its grid lines."""

    width: int
    height: int
    lines: list[ChartLine]
    ticks: list[tuple[float, float]]


def course(series: Mapping[str, Sequence[float]], width: int = 720, height: int = 200) -> SvgChart:
    """Draw lines over equal time steps, scaled from 0 to the next round number."""
    top = _round(max((value for values in series.values() for value in values), default=0))
    lines = [_line(name, values, top, (width, height)) for name, values in series.items() if values]
    ticks = [(height - height * share, top * share) for share in (0, 0.5, 1)]
    return SvgChart(width, height, lines, ticks)


def _line(name: str, values: Sequence[float], top: float, size: tuple[int, int]) -> ChartLine:
    width, height = size
    step = width / max(len(values) - 1, 1)
    places = [f"{n * step:.1f},{height - height * value / top:.1f}" for n, value in enumerate(values)]
    last = (len(values) - 1) * step
    return ChartLine(name, " ".join(places), f"M0,{height} L{' L'.join(places)} L{last:.1f},{height} Z")


def _round(value: float) -> float:
    """Round up to 1, 2, 5, 10, 20, 50 ...; 1 for 0."""
    unit = 1.0
    while True:
        for step in (1, 2, 5):
            if step * unit >= value:
                return step * unit
        unit *= 10

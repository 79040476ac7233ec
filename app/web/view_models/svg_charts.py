"""Pictures as inline SVG, made here: shares as one stacked bar, courses of time as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH = 1000  # units of a bar; the page stretches it


@dataclass(frozen=True, slots=True)
class Span:
    """Where a part of a bar stands."""

    x: int
    width: int


def stacked(parts: Mapping[str, int]) -> dict[str, Span]:
    """The parts one after the other, together WIDTH units; what is not nothing is never too thin to see."""
    total = sum(parts.values())
    found, x = {}, 0
    for (name, n), wide in zip(parts.items(), _widths(list(parts.values()), total), strict=True):
        found[name] = Span(x, wide if n else 0)
        x += found[name].width
    return found


def _widths(counts: Sequence[int], total: int) -> list[int]:
    """Whole units that add up to WIDTH; the largest part gives what small ones need to be seen."""
    if total <= 0:
        return [0] * len(counts)
    wide = [max(n * WIDTH // total, 4) if n else 0 for n in counts]
    wide[counts.index(max(counts))] += WIDTH - sum(wide)
    return wide


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A course of time: `points` for a polyline, `area` for the path that is filled under it."""

    name: str
    points: str
    area: str


@dataclass(frozen=True, slots=True)
class SvgChart:
    """A picture of `width` x `height` units; ticks: (height in units, value) of the lines across it."""

    width: int
    height: int
    lines: list[ChartLine]
    ticks: list[tuple[float, float]]


def course(series: Mapping[str, Sequence[float]], width: int = 720, height: int = 200) -> SvgChart:
    """Lines over equal steps of time, on one scale from nothing to the next round number."""
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
    """The next of 1, 2, 5, 10, 20, 50 ... that is not below; 1 for nothing."""
    unit = 1.0
    while True:
        for step in (1, 2, 5):
            if step * unit >= value:
                return step * unit
        unit *= 10

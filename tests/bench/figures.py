"""Figures and their bars: what was measured, beside its limit of the same run, and whether it is enough."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEADINGS = ("figure", "value", "limit", "limit value", "ratio", "bar", "met")


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure is held against: `bar` is the least ratio, or the most where `ceiling`; None: no bar."""

    name: str
    value: float
    bar: float | None = None
    ceiling: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; the name ends with its unit."""

    name: str
    value: float
    limit: Limit | None = None

    @property
    def ratio(self) -> float | None:
        """The value as a part of its limit."""
        return None if self.limit is None else self.value / self.limit.value

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where there is none."""
        if self.limit is None or self.limit.bar is None or self.ratio is None:
            return None
        return self.ratio <= self.limit.bar if self.limit.ceiling else self.ratio >= self.limit.bar

    def row(self) -> tuple[str, ...]:
        """The cells under HEADINGS."""
        if self.limit is None:
            return (self.name, shown(self.value), "", "", "", "", "")
        bar, sign = self.limit.bar, "<=" if self.limit.ceiling else ">="
        return (
            self.name,
            shown(self.value),
            self.limit.name,
            shown(self.limit.value),
            f"{self.ratio:.2f}",
            "" if bar is None else f"{sign} {bar:g}",
            {None: "", True: "yes", False: "NO"}[self.met],
        )


def shown(value: float) -> str:
    """A number for people: three digits that matter, or a whole number with its thousands set apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def label(count: int) -> str:
    """100k, 5m."""
    if count % 1_000_000 == 0:
        return f"{count // 1_000_000}m"
    return f"{count // 1000}k" if count % 1000 == 0 else str(count)


def as_json(figures: Iterable[Figure]) -> dict[str, float]:
    """Name and value of every figure, of every limit, and the ratios."""
    flat: dict[str, float] = {}
    for figure in figures:
        flat[figure.name] = round(figure.value, 4)
        if figure.limit is not None and figure.ratio is not None:
            flat[figure.limit.name] = round(figure.limit.value, 4)
            flat[f"{figure.name}_ratio"] = round(figure.ratio, 4)
    return flat


def as_text(figures: Sequence[Figure]) -> str:
    """The table for a terminal."""
    rows = [HEADINGS, *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in (1, 3, 4) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def as_markdown(figures: Sequence[Figure]) -> str:
    """The table for a page."""
    dashes = ("---", "---:", "---", "---:", "---:", "---", "---")
    rows = [HEADINGS, dashes, *(figure.row() for figure in figures)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def unmet(figures: Iterable[Figure]) -> list[Figure]:
    """Those that miss their bar."""
    return [figure for figure in figures if figure.met is False]

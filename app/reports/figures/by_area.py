"""Group figures by area: districts until 06-2025, communes since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from app.core import areas
from app.reports.figures import carrier_statement as stated
from app.reports.figures import labels
from app.reports.figures.carrier_statement import AreaCounts
from app.reports.figures.figures import AreaRow, Figures, NamedArea

Place = Callable[[str], str | None]  # code -> code of its row; None: cannot be placed
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Part(Generic[T]):
    code: str | None
    figures: T


def measured(rows: Iterable[AreaRow], on: date) -> tuple[AreaRow, ...]:
    """Sum measured rows by the areas in force on that day; unknown area last."""
    parts = [_Part(row.code, row.figures) for row in rows]
    found = _grouped(parts, lambda code: areas.place(code, on))
    return tuple(AreaRow(code, label(code, on), _total(own)) for code, own in found.items())


def stated_rows(rows: Iterable[AreaCounts], on: date) -> tuple[AreaCounts, ...]:
    parts = [_Part(row.code, row.counts) for row in rows]
    found = _grouped(parts, lambda code: areas.place(code, on))
    return tuple(AreaCounts(code, label(code, on), stated.add(own)) for code, own in found.items())


def empty(codes: Iterable[str | None], on: date, within: Iterable[str] = ()) -> tuple[NamedArea, ...]:
    """Return the areas of that day missing from `codes`, all or those `within`; none if no code is known."""
    found = {code for code in codes if code is not None}
    if not found:
        return ()
    asked = {row for code in within for row in areas.rows_of(code, on)}
    every = [area.code for area in areas.reported(on)]
    return tuple(
        NamedArea(code, label(code, on))
        for code in every
        if code not in found and (not asked or code in asked)
    )


def _total(parts: Sequence[Figures]) -> Figures:
    """Add them up; most areas have one part only, and a page has hundreds of areas."""
    return parts[0] if len(parts) == 1 else sum(parts, Figures())


def label(code: str | None, on: date) -> str:
    return labels.NO_AREA if code is None else areas.name(code, on)


def named(code: str | None, on: date) -> str:
    """Name an area for readers of that day, who no longer have it where it is “(cũ)”."""
    return f"{label(code, on)}{' (cũ)' if code is not None and areas.find(code, on) is None else ''}"


def _grouped(parts: Sequence[_Part[T]], place: Place) -> dict[str | None, list[T]]:
    """Group by row, sorted by code, None last. A code without a place keeps a row of its own."""
    found: defaultdict[str | None, list[T]] = defaultdict(list)
    for part in parts:
        code = part.code
        found[None if code is None else place(code) or code].append(part.figures)
    return {code: found[code] for code in sorted(found, key=lambda code: (code is None, code or ""))}

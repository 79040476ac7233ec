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
from app.reports.figures.carrier_statement import AreaCounts, StatedCounts
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


@dataclass(frozen=True, slots=True)
class Mixed:
    """Figures of one area, each source apart; None: nothing from that source.

    handset: the measured figures of links with handset receipts; the share received uses only these.
    """

    measured: Figures | None = None
    stated: StatedCounts | None = None
    manual: StatedCounts | None = None
    handset: Figures | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """Area rows of one campaign by source, and the day whose areas name them."""

    on: date
    measured: tuple[AreaRow, ...]
    stated: tuple[AreaCounts, ...]
    manual: tuple[AreaCounts, ...]
    handset: tuple[AreaRow, ...]


@dataclass(frozen=True, slots=True)
class MixedRow:
    code: str | None
    name: str
    figures: Mixed


def rows_of(sources: Sources) -> tuple[MixedRow, ...]:
    found = _mixed(sources, lambda code: areas.place(code, sources.on))
    return tuple(MixedRow(code, label(code, sources.on), mixed) for code, mixed in _sorted(found))


def _mixed(sources: Sources, place: Place) -> dict[str | None, Mixed]:
    kinds = (
        _grouped([_Part(row.code, row.figures) for row in sources.measured], place),
        _grouped([_Part(row.code, row.counts) for row in sources.stated], place),
        _grouped([_Part(row.code, row.counts) for row in sources.manual], place),
    )
    counted, said, entered = kinds
    proved = _grouped([_Part(row.code, row.figures) for row in sources.handset], place)
    return {
        code: Mixed(
            measured=_total(counted[code]) if code in counted else None,
            stated=stated.add(said[code]) if code in said else None,
            manual=stated.add(entered[code]) if code in entered else None,
            handset=_total(proved[code]) if code in proved else None,
        )
        for code in {**counted, **said, **entered}
    }


def _sorted(found: dict[str | None, Mixed]) -> list[tuple[str | None, Mixed]]:
    return sorted(found.items(), key=lambda pair: (pair[0] is None, pair[0] or ""))

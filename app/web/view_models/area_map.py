"""Tile map of a campaign: a square per area, in groups by the district of before July 2025.

No free data has the borders of the 75 communes, so the map says who belongs together, not where it lies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from app.core import areas
from app.web.view_models.campaign_areas import AreaView

SIDE, ACROSS, HEADING = 44, 8, 20


@dataclass(frozen=True, slots=True)
class Tile:
    """An area's square: its corner in units of the map."""

    x: int
    y: int
    area: AreaView


@dataclass(frozen=True, slots=True)
class District:
    """The name above a group of squares, and its base line."""

    name: str
    y: int


@dataclass(frozen=True, slots=True)
class AreaMap:
    width: int
    height: int
    districts: list[District]
    tiles: list[Tile]


def area_map(of: Iterable[AreaView]) -> AreaMap | None:
    """Draw the communes; None where districts themselves are reported, for a table says as much."""
    groups: defaultdict[str, list[AreaView]] = defaultdict(list)
    for each in of:
        if each.code and len(each.code) == 5:
            groups[next(iter(areas.old_districts(each.code, date.max)), "")].append(each)
    districts, tiles, y = [], [], 0
    for code in sorted(groups):
        districts.append(District(areas.name(code, date(2025, 6, 1)), y + HEADING - 6))
        own = sorted(groups[code], key=lambda each: each.code or "")
        tiles += [
            Tile(SIDE * (n % ACROSS), y + HEADING + SIDE * (n // ACROSS), each) for n, each in enumerate(own)
        ]
        y += HEADING + SIDE * -(-len(own) // ACROSS)
    return AreaMap(SIDE * ACROSS, y, districts, tiles) if tiles else None

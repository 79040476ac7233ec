"""Administrative areas: dated codes, kept as text with their leading zeros, and names that identify them."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files

_MERGED_2025_07 = date(2025, 7, 1)  # communes were merged in all of the country, and districts ended
_ZERO_TAIL = re.compile(r"\.0+$")


class Basis(StrEnum):
    """How a carrier knows where a subscriber is."""

    REGISTERED = "dia_chi_dang_ky"
    SERVING = "tram_phuc_vu"
    UNDIVIDED = "khong_phan_dia_ban"  # unknown: the province as a whole


@dataclass(frozen=True, slots=True)
class Area:
    """A commune (five digits) or a district (three), valid on the days `since <= day < until`."""

    code: str
    name: str
    district: str | None
    since: date
    until: date

    def valid(self, on: date) -> bool:
        return self.since <= on < self.until


def fold(text: str) -> str:
    """Reduce to lower-case ASCII letters and digits, for comparing names and header words."""
    plain = unicodedata.normalize("NFD", text.casefold()).replace("đ", "d")
    return "".join(char for char in plain if char.isascii() and char.isalnum())


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("app") / "data" / "areas" / f"{name}.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def provinces() -> Mapping[str, str]:
    """Return the provinces since 07-2025, code -> name."""
    return {row["code"]: row["name"] for row in _rows("provinces")}


class _Areas:
    """The areas of one province, in all their times."""

    def __init__(self, province: str) -> None:
        rows = _rows(province)
        self.every = [_area(row) for row in rows]
        self.by_code: defaultdict[str, list[Area]] = defaultdict(list)
        names: defaultdict[str, set[str]] = defaultdict(set)
        for area in self.every:
            self.by_code[area.code].append(area)
            names[fold(area.name)].add(area.code)
        # Without names that ever meant more than one code.
        self.by_name = {name: codes.pop() for name, codes in names.items() if len(codes) == 1}
        merged = {
            row["code"]: (row["district"] or row["code"], row["successor"].split())
            for row in rows
            if row["successor"]
        }
        # Of a commune that was divided nobody knows which part of it is meant.
        self.successors = {code: after[0] for code, (_, after) in merged.items() if len(after) == 1}
        self.origins = _origins(merged)


def _area(row: dict[str, str]) -> Area:
    since, until = row["since"], row["until"]
    return Area(
        row["code"],
        row["name"],
        row["district"] or None,
        date.fromisoformat(since) if since else date.min,
        date.fromisoformat(until) if until else date.max,
    )


def _origins(merged: Mapping[str, tuple[str, list[str]]]) -> dict[str, tuple[str, ...]]:
    """Map communes since 07-2025 to the districts they came from, the largest contributor first.

    The district of the old commune with the same code is its home, and comes before all.
    """
    parts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for district, after in merged.values():
        for code in after:
            parts[code][district] += 1
    own = {code: district for code, (district, after) in merged.items() if code in after}
    return {
        code: tuple(
            sorted(found, key=lambda district: (district != own.get(code), -found[district], district))
        )
        for code, found in parts.items()
    }


_table = cache(_Areas)
_chosen: str | None = None


def use(province: str | None) -> None:
    """Have this process know the areas of a province; None: of the one marked as usual in the data."""
    global _chosen
    _chosen = province


def chosen() -> str:
    """Return the code of the province whose areas this process knows."""
    return _chosen or _usual()


def place_name() -> str:
    """Return the bare name of that province, folded, such as a password may hold."""
    return re.sub("^(tinh|thanhpho)", "", fold(provinces()[chosen()]))


def _now() -> _Areas:
    return _table(chosen())


@cache
def _usual() -> str:
    return next(row["code"] for row in _rows("provinces") if row["usual"])


def every() -> list[Area]:
    """Return all areas of the province, of all times."""
    return _now().every


def find(code: str, on: date) -> Area | None:
    """Return the area with this code on that day; a code may have had several names."""
    return next((area for area in _now().by_code.get(code, ()) if area.valid(on)), None)


def current(on: date) -> list[Area]:
    return sorted((a for a in every() if a.valid(on) and len(a.code) == 5), key=lambda area: area.code)


def districts(on: date) -> list[Area]:
    """Return the districts of that day, by code; none since 07-2025."""
    return sorted((a for a in every() if a.valid(on) and len(a.code) == 3), key=lambda area: area.code)


def reported(on: date) -> list[Area]:
    """Return the areas that a report of that day lists: districts while they existed, then communes."""
    return districts(on) or current(on)


def place(code: str, on: date) -> str | None:
    """Return the report row of an area on that day, or None; old codes in a current list are mapped."""
    found = find(code, on)
    if found is not None:
        return found.district or found.code
    if on >= _MERGED_2025_07:
        return _now().successors.get(code)
    return next((area.district for area in _now().by_code.get(code, ()) if area.district), None)


def old_districts(code: str, on: date) -> tuple[str, ...]:
    """Return an area's districts before 07-2025, home first: several if merged across them, () if unknown."""
    found = find(code, on)
    if found is not None and on < _MERGED_2025_07:
        return (found.district or found.code,)
    return _now().origins.get(code if found else _now().successors.get(code, ""), ())


def rows_of(code: str, on: date) -> tuple[str, ...]:
    """Return the report rows that an area is in: one, or the communes that its district became."""
    rows = [area.code for area in reported(on)]
    row = place(code, on)
    return (row,) if row in rows else tuple(each for each in rows if code in old_districts(each, on))


def name(code: str, on: date) -> str:
    """Return the area's name on that day, or at any other time; its code if unknown."""
    found = find(code, on) or next(iter(_now().by_code.get(code, ())), None)
    return found.name if found else code


def normalise_area(raw: str) -> str | None:
    """Return the code that `raw` means at any time, or None.

    Accepts codes, codes that a spreadsheet stripped of zeros (3646, 3646.0), and full names such as
    "Phường Chiềng An" if only one code ever had that name.
    """
    text = _ZERO_TAIL.sub("", raw.strip().lstrip("'"))
    if text.isascii() and text.isdigit():
        code = text.zfill(5) if len(text) == 4 else text
        return code if code in _now().by_code else None
    return _now().by_name.get(fold(text))

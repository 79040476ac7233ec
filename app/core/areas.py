"""Administrative areas: dated codes, kept as text with their leading zeros, and names that identify them."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from importlib.resources import files

_MERGED_2025_02 = date(2025, 2, 1)  # 204 communes became 200
_MERGED_2025_07 = date(2025, 7, 1)  # 200 communes became 75, and districts ended
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
    text = (files("app") / "data" / "areas" / name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


_MAP = "sonla_map_200_to_75.csv"


def _load() -> list[Area]:
    found: dict[Area, None] = {}  # a set that keeps its order
    for row in _rows("sonla_2024_204.csv"):
        district, span = row["district_code"], (date.min, _MERGED_2025_02)
        found[Area(district, row["district"], None, *span)] = None
        found[Area(row["commune_code"], row["commune"], district, *span)] = None
    for row in _rows(_MAP):
        district, span = row["old_district_code"], (_MERGED_2025_02, _MERGED_2025_07)
        found[Area(district, row["old_district_2025_02"], None, *span)] = None
        found[Area(row["old_commune_code"], row["old_commune"], district, *span)] = None
        found[Area(row["new_commune_code"], row["new_commune"], None, _MERGED_2025_07, date.max)] = None
    return list(found)


AREAS = _load()


def _by_code() -> dict[str, list[Area]]:
    table: defaultdict[str, list[Area]] = defaultdict(list)
    for area in AREAS:
        table[area.code].append(area)
    return dict(table)


def _by_name() -> dict[str, str]:
    """Map folded names to codes, leaving out names that ever meant more than one code."""
    table: defaultdict[str, set[str]] = defaultdict(set)
    for area in AREAS:
        table[fold(area.name)].add(area.code)
    return {name: codes.pop() for name, codes in table.items() if len(codes) == 1}


def _successors() -> dict[str, str]:
    """Map communes before 07-2025 to the commune that each became part of."""
    return {row["old_commune_code"]: row["new_commune_code"] for row in _rows(_MAP)}


def _origins() -> dict[str, tuple[str, ...]]:
    """Map communes since 07-2025 to the districts they came from, the largest contributor first."""
    parts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in _rows(_MAP):
        parts[row["new_commune_code"]][row["old_district_code"]] += 1
    own = {row["new_commune_code"]: row["old_district_code"] for row in _rows(_MAP) if _keeps_name(row)}
    return {
        code: tuple(
            sorted(found, key=lambda district: (district != own.get(code), -found[district], district))
        )
        for code, found in parts.items()
    }


def _keeps_name(row: dict[str, str]) -> bool:
    """Return whether the commune kept its own code: its district is the home of the merged commune."""
    return row["old_commune_code"] == row["new_commune_code"]


_BY_CODE = _by_code()
_BY_NAME = _by_name()
_SUCCESSORS = _successors()
_ORIGINS = _origins()


def find(code: str, on: date) -> Area | None:
    """Return the area with this code on that day; a code may have had several names."""
    return next((area for area in _BY_CODE.get(code, ()) if area.valid(on)), None)


def current(on: date) -> list[Area]:
    return sorted((a for a in AREAS if a.valid(on) and len(a.code) == 5), key=lambda area: area.code)


def districts(on: date) -> list[Area]:
    """Return the districts of that day, by code; none since 07-2025."""
    return sorted((a for a in AREAS if a.valid(on) and len(a.code) == 3), key=lambda area: area.code)


def reported(on: date) -> list[Area]:
    """Return the areas that a report of that day lists: districts while they existed, then communes."""
    return districts(on) or current(on)


def place(code: str, on: date) -> str | None:
    """Return the report row of an area on that day, or None; old codes in a current list are mapped."""
    found = find(code, on)
    if found is not None:
        return found.district or found.code
    if on >= _MERGED_2025_07:
        return _SUCCESSORS.get(code)
    return next((area.district for area in _BY_CODE.get(code, ()) if area.district), None)


def old_districts(code: str, on: date) -> tuple[str, ...]:
    """Return an area's districts before 07-2025, home first: several if merged across them, () if unknown."""
    found = find(code, on)
    if found is not None and on < _MERGED_2025_07:
        return (found.district or found.code,)
    return _ORIGINS.get(code if found else _SUCCESSORS.get(code, ""), ())


def rows_of(code: str, on: date) -> tuple[str, ...]:
    """Return the report rows that an area is in: one, or the communes that its district became."""
    every = [area.code for area in reported(on)]
    row = place(code, on)
    return (row,) if row in every else tuple(each for each in every if code in old_districts(each, on))


def name(code: str, on: date) -> str:
    """Return the area's name on that day, or at any other time; its code if unknown."""
    found = find(code, on) or next(iter(_BY_CODE.get(code, ())), None)
    return found.name if found else code


def normalise_area(raw: str) -> str | None:
    """Return the code that `raw` means at any time, or None.

    Accepts codes, codes that a spreadsheet stripped of zeros (3646, 3646.0), and full names such as
    "Phường Chiềng An" if only one code ever had that name.
    """
    text = _ZERO_TAIL.sub("", raw.strip().lstrip("'"))
    if text.isascii() and text.isdigit():
        code = text.zfill(5) if len(text) == 4 else text
        return code if code in _BY_CODE else None
    return _BY_NAME.get(fold(text))

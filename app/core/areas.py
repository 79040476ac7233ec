"""Administrative areas: dated codes, kept as text with their zeros, and the names that lead to them."""

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
    UNDIVIDED = "khong_phan_dia_ban"  # it can't tell: the province as a whole


@dataclass(frozen=True, slots=True)
class Area:
    """A commune (five digits) or a district (three), valid on the days `since <= day < until`."""

    code: str
    name: str
    district: str | None
    since: date
    until: date

    def valid(self, on: date) -> bool:
        """Whether it existed on that day."""
        return self.since <= on < self.until


def fold(text: str) -> str:
    """Letters and digits only, small, without diacritics: for comparing names and header words."""
    plain = unicodedata.normalize("NFD", text.casefold()).replace("đ", "d")
    return "".join(char for char in plain if char.isascii() and char.isalnum())


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("app") / "data" / "areas" / name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


_MAP = "sonla_map_200_to_75.csv"


def _load() -> list[Area]:
    found: dict[Area, None] = {}  # a dict for a set that keeps the order
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
    """Folded names that have meant one code only, at any time."""
    table: defaultdict[str, set[str]] = defaultdict(set)
    for area in AREAS:
        table[fold(area.name)].add(area.code)
    return {name: codes.pop() for name, codes in table.items() if len(codes) == 1}


def _successors() -> dict[str, str]:
    """Commune before 07-2025 -> the one commune that it has become part of."""
    return {row["old_commune_code"]: row["new_commune_code"] for row in _rows(_MAP)}


def _origins() -> dict[str, tuple[str, ...]]:
    """Commune since 07-2025 -> the districts that it came from, the one with the most of it first."""
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
    """Whether it goes on under its own code: the commune that others were joined to has its home there."""
    return row["old_commune_code"] == row["new_commune_code"]


_BY_CODE = _by_code()
_BY_NAME = _by_name()
_SUCCESSORS = _successors()
_ORIGINS = _origins()


def find(code: str, on: date) -> Area | None:
    """The area of that code on that day: the same code has had several names."""
    return next((area for area in _BY_CODE.get(code, ()) if area.valid(on)), None)


def current(on: date) -> list[Area]:
    """All communes of that day, by code."""
    return sorted((a for a in AREAS if a.valid(on) and len(a.code) == 5), key=lambda area: area.code)


def districts(on: date) -> list[Area]:
    """The districts of that day, by code; none since 07-2025."""
    return sorted((a for a in AREAS if a.valid(on) and len(a.code) == 3), key=lambda area: area.code)


def reported(on: date) -> list[Area]:
    """The areas that a report of that day has its rows by: districts while there were any, then communes."""
    return districts(on) or current(on)


def place(code: str, on: date) -> str | None:
    """The code of the row that an area belongs to in a report of that day; None where it can't be told.

    An old code in a list of today goes where the map puts it.
    """
    found = find(code, on)
    if found is not None:
        return found.district or found.code
    if on >= _MERGED_2025_07:
        return _SUCCESSORS.get(code)
    return next((area.district for area in _BY_CODE.get(code, ()) if area.district), None)


def old_districts(code: str, on: date) -> tuple[str, ...]:
    """The districts of before 07-2025 that an area of that day belongs to, its home first: one, but for a
    commune put together across a boundary. Empty for an unknown one.
    """
    found = find(code, on)
    if found is not None and on < _MERGED_2025_07:
        return (found.district or found.code,)
    return _ORIGINS.get(code if found else _SUCCESSORS.get(code, ""), ())


def rows_of(code: str, on: date) -> tuple[str, ...]:
    """The rows of a report of that day that an area is in: one, or the communes that a district became."""
    every = [area.code for area in reported(on)]
    row = place(code, on)
    return (row,) if row in every else tuple(each for each in every if code in old_districts(each, on))


def crossing() -> list[Area]:
    """The communes since 07-2025 that came from more than one district: they need a footnote."""
    return [area for area in current(_MERGED_2025_07) if len(_ORIGINS[area.code]) > 1]


def name(code: str, on: date) -> str:
    """What the area was called on that day, or at any other time; the code where nobody knows it."""
    found = find(code, on) or next(iter(_BY_CODE.get(code, ())), None)
    return found.name if found else code


def normalise_area(raw: str) -> str | None:
    """The code that `raw` means, known at any time; None for an unknown one.

    Takes codes, codes that a spreadsheet robbed of their zeros (3646, 3646.0), and full names such as
    "Phường Chiềng An" where only one code ever had that name.
    """
    text = _ZERO_TAIL.sub("", raw.strip().lstrip("'"))
    if text.isascii() and text.isdigit():
        code = text.zfill(5) if len(text) == 4 else text
        return code if code in _BY_CODE else None
    return _BY_NAME.get(fold(text))

"""Administrative areas: dated codes, kept as text with their zeros, and the names that lead to them."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from importlib.resources import files

_MERGED_2025_02 = date(2025, 2, 1)  # 204 communes became 200
_MERGED_2025_07 = date(2025, 7, 1)  # 200 communes became 75, and districts ended
_ZERO_TAIL = re.compile(r"\.0+$")


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


def _load() -> list[Area]:
    found: dict[Area, None] = {}  # a dict for a set that keeps the order
    for row in _rows("sonla_2024_204.csv"):
        district, span = row["district_code"], (date.min, _MERGED_2025_02)
        found[Area(district, row["district"], None, *span)] = None
        found[Area(row["commune_code"], row["commune"], district, *span)] = None
    for row in _rows("sonla_map_200_to_75.csv"):
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


_BY_CODE = _by_code()
_BY_NAME = _by_name()


def find(code: str, on: date) -> Area | None:
    """The area of that code on that day: the same code has had several names."""
    return next((area for area in _BY_CODE.get(code, ()) if area.valid(on)), None)


def current(on: date) -> list[Area]:
    """All communes of that day, by code."""
    return sorted((a for a in AREAS if a.valid(on) and len(a.code) == 5), key=lambda area: area.code)


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

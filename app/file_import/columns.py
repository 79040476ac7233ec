"""Which column of a file is which: header names in Vietnamese or English, or one column of bare numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.core.areas import fold
from app.core.errors import Invalid
from app.core.phone import mask

HEAD_ROWS = 20  # a header stands in the first rows, perhaps under a title
ABSENT = -1

_BARE_NUMBER = re.compile(r"[\s+'(]*[0-9][0-9\s.()\-\u00a0]{6,}")


def names(text: str) -> frozenset[str]:
    """Folded header names, written with spaces between them."""
    return frozenset(text.split())


# Folded names, the surest first: "Thuê bao" may head a column of names where "SĐT" stands beside it.
PHONE_NAMES = (
    names(
        "sodienthoai sodienthoaididong sodienthoaithuebao dienthoai dienthoaididong sdt dtdd didong sodidong "
        "sodt phone phonenumber phoneno mobile mobilenumber mobilephone mobileno cellphone telephone msisdn "
        "recipient"
    ),
    names("thuebao sothuebao isdn so dt tel cell number"),
)


@dataclass(frozen=True, slots=True)
class FileColumn:
    """One column that a kind of file has: `what` stands in it, in the plural; `remedy`: how to name it.

    names: folded header names by tiers, the surest first. needed: no file without it, and only one of them.
    """

    what: str
    names: tuple[frozenset[str], ...]
    remedy: str = ""
    needed: bool = False

    def places(self, row: Sequence[str]) -> list[int]:
        """Where the surest names of the column stand in a folded row."""
        found = ([place for place, name in enumerate(row) if name in tier] for tier in self.names)
        return next((places for places in found if places), [])


class Layout(NamedTuple):
    """Places of the columns, ABSENT for one that is not there; `data`: index of the first row below them.

    width: cells of the header up to its last name; 0 where there is none.
    """

    places: tuple[int, ...]
    data: int
    width: int = 0


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one kind of file; `bare`: a first column of bare numbers needs no header."""

    columns: tuple[FileColumn, ...]
    bare: bool = False

    def find(self, rows: Sequence[Sequence[str]]) -> Layout | None:
        """The layout that the first rows of a file show, or None.

        Invalid where two columns may both be one that is needed.
        """
        filled = _filled(rows)
        for place, row in filled:
            layout = self._header(row, place + 1)
            if layout:
                return layout
        return self._without_header(*filled[0]) if filled and self.bare else None

    def missing(self, rows: Sequence[Sequence[str]]) -> Invalid:
        """The refusal of a file whose needed columns can't be told."""
        filled = [row for _, row in _filled(rows)]
        if not filled:
            return Invalid(f"The file is empty. It needs a header with a column {self.columns[0].remedy}.")
        likeliest = max(filled, key=lambda row: len(self._found(row)))
        lacking = next(c for c in self.columns if c.needed and c not in self._found(likeliest))
        shown = ", ".join(mask(cell.strip())[:40] for cell in likeliest[:12])
        which = "first line" if likeliest is filled[0] else "header"
        return Invalid(
            f"The file names no column of {lacking.what}; its {which} is: {shown}. "
            f"Name the column {lacking.remedy}."
        )

    def _found(self, row: Sequence[str]) -> list[FileColumn]:
        folded = [fold(cell) for cell in row]
        return [column for column in self.columns if column.places(folded)]

    def _header(self, row: Sequence[str], data: int) -> Layout | None:
        folded = [fold(cell) for cell in row]
        places = [column.places(folded) for column in self.columns]
        if not all(found for column, found in zip(self.columns, places, strict=True) if column.needed):
            return None
        for column, found in zip(self.columns, places, strict=True):
            if column.needed and len(found) > 1:
                raise _two_columns(column, [row[place].strip() for place in found], data)
        width = max(place for place, cell in enumerate(row, 1) if cell.strip())
        return Layout(tuple(found[0] if found else ABSENT for found in places), data, width)

    def _without_header(self, place: int, row: Sequence[str]) -> Layout | None:
        cells = [(column, cell) for column, cell in enumerate(row) if cell.strip()]
        if len(cells) == 1 and _BARE_NUMBER.fullmatch(cells[0][1]):
            others = (ABSENT,) * (len(self.columns) - 1)
            return Layout((cells[0][0], *others), place)
        return None


def _filled(rows: Sequence[Sequence[str]]) -> list[tuple[int, Sequence[str]]]:
    return [(place, row) for place, row in enumerate(rows[:HEAD_ROWS]) if any(cell.strip() for cell in row)]


def _two_columns(column: FileColumn, titles: Sequence[str], line: int) -> Invalid:
    both = " and ".join(f"“{title[:40]}”" for title in titles[:2])
    return Invalid(f"Line {line} names two columns of {column.what}, {both}. Keep one of them.")

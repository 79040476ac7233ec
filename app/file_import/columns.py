"""Identify a file's columns by header names in Vietnamese or English, or by one column of bare numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.core.areas import fold
from app.core.errors import Invalid
from app.core.phone import mask
from carriers.phrases import Phrase, join

HEAD_ROWS = 20  # rows searched for a header, which may follow a title
ABSENT = -1

_BARE_NUMBER = re.compile(r"(?:=\s*\")?[\s+'(]*[0-9][0-9\s.()\-\u00a0]{6,}(?:\"\s*)?")


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Folded names, the most certain first: "Thuê bao" may head a column of names next to one headed "SĐT".
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
    """A column of a kind of file. what: its content, in the plural; remedy: how to name it.

    names: folded header names in tiers, the most certain first. needed: every file must have exactly one.
    """

    what: str
    names: tuple[frozenset[str], ...]
    remedy: str = ""
    needed: bool = False

    def places(self, row: Sequence[str]) -> list[int]:
        """Return the indexes in a folded row of the column's most certain names."""
        found = ([place for place, name in enumerate(row) if name in tier] for tier in self.names)
        return next((places for places in found if places), [])


class Layout(NamedTuple):
    """Indexes of the columns, ABSENT for missing ones; `data`: index of the first row below the header.

    width: cells of the header up to its last name; 0 if there is no header.
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
        """Return the layout that the first rows show, or None; Invalid if a needed column is ambiguous."""
        filled = _filled(rows)
        for place, row in filled:
            layout = self._header(row, place + 1)
            if layout:
                return layout
        return self._without_header(*filled[0]) if filled and self.bare else None

    def missing(self, rows: Sequence[Sequence[str]]) -> Invalid:
        filled = [row for _, row in _filled(rows)]
        if not filled:
            return Invalid(
                "The file is empty. It needs a header row with a column {column}.",
                column=self.columns[0].remedy,
            )
        likeliest = max(filled, key=lambda row: len(self._found(row)))
        lacking = next(c for c in self.columns if c.needed and c not in self._found(likeliest))
        shown = ", ".join(mask(cell.strip())[:40] for cell in likeliest[:12])
        which = Phrase("first line" if likeliest is filled[0] else "header")
        return Invalid(
            "The file has no column for {what}. Its {which} is: {shown}. Name the column {column}.",
            what=Phrase(lacking.what),
            which=which,
            shown=shown,
            column=lacking.remedy,
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
    both = join((f"“{title[:40]}”" for title in titles[:2]), " and ")
    return Invalid(
        "Line {line} has two columns for {what}: {both}. Keep only one.",
        line=line,
        what=column.what,
        both=both,
    )

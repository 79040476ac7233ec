"""Which column of a file is which: header names in Vietnamese or English, or one column of bare numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from app.areas import fold
from app.errors import Invalid
from app.phone import mask

HEAD_ROWS = 20  # a header stands in the first rows, perhaps under a title
_ABSENT = -1


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Folded names, the surest first: "Thuê bao" may head a column of names where "SĐT" stands beside it.
_PHONE_NAMES = (
    _names(
        "sodienthoai sodienthoaididong sodienthoaithuebao dienthoai dienthoaididong sdt dtdd didong sodidong "
        "sodt phone phonenumber phoneno mobile mobilenumber mobilephone mobileno cellphone telephone msisdn "
        "recipient"
    ),
    _names("thuebao sothuebao isdn so dt tel cell number"),
)
_AREA_NAMES = (
    _names(
        "maxa maphuong maxaphuong maphuongxa communecode wardcode area areacode madiaban makhuvuc madvhc "
        "madonvihanhchinh"
    ),
    _names("xa phuong xaphuong phuongxa diaban khuvuc commune ward"),
    _names("mahuyen districtcode"),
    _names("huyen quanhuyen district"),
)
_LANG_NAMES = (_names("ngonngu mangonngu tieng lang language langcode languagecode"),)

_BARE_NUMBER = re.compile(r"[\s+'(]*[0-9][0-9\s.()\-\u00a0]{6,}")


class Layout(NamedTuple):
    """Places of the columns, -1 for an absent one; `data`: index of the first row that is a subscriber."""

    phone: int
    area: int
    lang: int
    data: int


def find_layout(rows: Sequence[Sequence[str]]) -> Layout | None:
    """The layout that the first rows of a file show, or None.

    Invalid where two columns may both hold the numbers.
    """
    filled = [(place, row) for place, row in enumerate(rows[:HEAD_ROWS]) if any(cell.strip() for cell in row)]
    for place, row in filled:
        layout = _header(row, place + 1)
        if layout:
            return layout
    return _without_header(*filled[0]) if filled else None


def _header(row: Sequence[str], data: int) -> Layout | None:
    names = [fold(cell) for cell in row]
    phones = _places(names, _PHONE_NAMES)
    if not phones:
        return None
    if len(phones) > 1:
        both = " and ".join(f"“{row[place].strip()}”" for place in phones[:2])
        raise Invalid(f"Line {data} names two columns of phone numbers, {both}. Keep one of them.")
    area, lang = (_places(names, tiers) for tiers in (_AREA_NAMES, _LANG_NAMES))
    return Layout(phones[0], area[0] if area else _ABSENT, lang[0] if lang else _ABSENT, data)


def _places(names: Sequence[str], tiers: Sequence[frozenset[str]]) -> list[int]:
    """Where the surest names stand."""
    found = ([place for place, name in enumerate(names) if name in tier] for tier in tiers)
    return next((places for places in found if places), [])


def _without_header(place: int, row: Sequence[str]) -> Layout | None:
    cells = [(column, cell) for column, cell in enumerate(row) if cell.strip()]
    if len(cells) == 1 and _BARE_NUMBER.fullmatch(cells[0][1]):
        return Layout(cells[0][0], _ABSENT, _ABSENT, place)
    return None


def no_layout(rows: Sequence[Sequence[str]]) -> Invalid:
    """The refusal of a file in which no column of numbers can be told."""
    first = next((row for row in rows if any(cell.strip() for cell in row)), None)
    if first is None:
        return Invalid("The file is empty. It needs a header with a column “Số điện thoại” or “phone”.")
    shown = ", ".join(mask(cell.strip())[:40] for cell in first[:8])
    return Invalid(
        f"The file names no column of phone numbers; its first line is: {shown}. "
        "Name the column “Số điện thoại” or “phone”."
    )

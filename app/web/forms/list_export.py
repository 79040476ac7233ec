"""A page's list as CSV for Excel: the same filters, order, access and masked numbers, but every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any

from fastapi.responses import StreamingResponse
from markupsafe import Markup
from sqlalchemy import Connection

from app.core import clock
from app.database.listing import ListPart, ListRequest
from app.file_import.cells import csv_pieces, printable, safe
from app.web import display_names
from app.web.forms.list_query import ListQuery
from app.web.rendering import PageRequest
from app.web.translations import Said, Speaker, say

CSV = "csv"
_MOST, _SLICE = 50_000, 2500
_CUT = say("The file ends here, after {n} rows, but there are more. Filter the list and download it again.")

Reading = Callable[[Connection, ListRequest, int], ListPart[Any]]
Column = str | Callable[[Any, Speaker], object]


@dataclass(frozen=True, slots=True)
class ListFile:
    """name: of the file; columns: heading -> the row's attribute, or a function of row and language."""

    name: str
    columns: Mapping[Said, Column]


def carrier_name(row: Any, _: Speaker) -> str:
    return display_names.network(row.carrier)


def stage_name(row: Any, speaker: Speaker) -> Markup | None:
    """Return how the row stands, by stages.py, in words."""
    return None if row.stage is None else speaker.say(display_names.STATES[row.stage])


def wants_file(query: ListQuery) -> bool:
    return query.format == CSV


def list_file(visit: PageRequest, file: ListFile, request: ListRequest, read: Reading) -> StreamingResponse:
    """Send the list from its first row, in parts of which each is one short reading."""
    speaker, columns = visit.speaker, [_getter(each) for each in file.columns.values()]

    def rows() -> Iterator[Sequence[object]]:
        n, wanted, more = 0, replace(request, after=""), True
        while more:
            part = visit.db.read(read, wanted, _SLICE)
            for row in part.items[: _MOST - n]:
                yield [_cell(get(row, speaker), speaker) for get in columns]
            n += len(part.items)
            wanted, more = replace(request, after=part.next), bool(part.next) and n < _MOST
        if part.next or n > _MOST:
            yield [_cell(speaker.say(_CUT, n=_MOST), speaker)]

    heads: list[object] = [_cell(speaker.say(each), speaker) for each in file.columns]
    pieces = csv_pieces(heads, rows())
    headers = {"Content-Disposition": f'attachment; filename="loa-{file.name}.csv"'}
    headers |= {"Cache-Control": "no-store"}
    return StreamingResponse(pieces, media_type="text/csv; charset=utf-8", headers=headers)


def _getter(column: Column) -> Callable[[Any, Speaker], object]:
    if not isinstance(column, str):
        return column
    get = attrgetter(column)
    return lambda row, _: get(row)


def _cell(value: object, speaker: Speaker) -> str | int:
    """Return numbers as they are, and everything else as text that no spreadsheet takes for a formula."""
    if isinstance(value, int):
        return value
    if isinstance(value, datetime):
        return f"{clock.local(value):%d/%m/%Y %H:%M:%S}"
    if isinstance(value, StrEnum) and value in display_names.STATES:
        value = speaker.say(display_names.STATES[value])
    text = value.unescape() if isinstance(value, Markup) else "" if value is None else str(value)
    return safe(printable(text))

"""A part of a list: rows with certain words in their names, of certain days, in an order, after a row.

One declaration serves the pages, their files and the API. The next part begins after a row's key, so a far
one costs what the first does, and rows that come meanwhile move nothing. Rows are counted up to COUNTED, so
that nobody waits until millions are counted; the API, which follows a list in order of id, counts none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    and_,
    func,
    literal,
    or_,
    select,
)

COUNTED = 10_000
_MOST_WORDS, _LARGEST = 8, 2**62
_BETWEEN = "~"  # in a key: between the id and the value by which rows are in order


def _letters() -> tuple[str, str]:
    """Return letters with marks, and the same without; at the end of the first, marks by themselves."""
    found = {"Đ": "d", "đ": "d"}
    for letter in map(chr, (*range(0xC0, 0x250), *range(0x1EA0, 0x1EFA))):
        plain = unicodedata.normalize("NFD", letter)[0].lower()
        if plain.isascii():
            found[letter] = plain
    marks = "\u0300\u0301\u0302\u0303\u0306\u0309\u031b\u0323"
    return "".join(found) + marks, "".join(found.values())


_MARKED, _PLAIN = _letters()

Item = TypeVar("Item")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What is asked of a list; "" or 0: nothing.

    words: each must be in the names; since_ms <= time < until_ms; order: a key of ListColumns.orders, with a
    "-" before it the other way round, "" for the newest first; after: `next` of the part before.
    """

    words: str = ""
    since_ms: int = 0
    until_ms: int = 0
    order: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class ListColumns:
    """By what a list is read. at: the time of a row; names: where words are looked for."""

    id: ColumnElement[Any]
    at: ColumnElement[Any] | None = None
    names: Sequence[ColumnElement[Any]] = ()
    orders: Mapping[str, ColumnElement[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListPart(Generic[Item]):
    """total: rows of all parts, COUNTED + 1 for more than COUNTED; next: "" on the last part."""

    items: Sequence[Item]
    total: int
    next: str = ""

    def of(self, shown: Callable[[Item], Other]) -> ListPart[Other]:
        """Return the same part of other items."""
        return ListPart([shown(each) for each in self.items], self.total, self.next)


def part(
    connection: Connection,
    query: Select[Any],
    columns: ListColumns,
    request: ListRequest | int,
    limit: int,
) -> ListPart[Row[Any]]:
    """Return the wanted part of the query's rows; the query itself has no order.

    request: an int is the API's cursor: the rows after this id in order of id, uncounted.
    """
    if isinstance(request, int):
        after = query.where(columns.id > request).order_by(columns.id).limit(limit)
        found = connection.execute(after.add_columns(columns.id.label("key_id"))).all()
        return ListPart(found, 0, str(found[-1].key_id) if len(found) == limit else "")
    query = _matching(query, columns, request)
    key, down = _order(columns, request)
    ordered = query.add_columns(columns.id.label("key_id"), key.label("key_value"))
    ordered = ordered.order_by(*((each.desc() if down else each.asc()) for each in (key, columns.id)))
    place = _place(request.after, key if key is not columns.id else None)
    if place is not None:
        ordered = ordered.where(_behind((key, columns.id), place, down))
    rows = connection.execute(ordered.limit(limit + 1)).all()
    following = ""
    if len(rows) > limit:
        last = rows[limit - 1]
        following = str(last.key_id) + ("" if key is columns.id else f"{_BETWEEN}{last.key_value}")
    return ListPart(rows[:limit], counted(connection, query.with_only_columns(columns.id)), following)


def counted(connection: Connection, query: Select[Any]) -> int:
    """Count the rows of the query, COUNTED + 1 at the most."""
    some = query.order_by(None).limit(COUNTED + 1).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def without_marks(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the text without marks and capitals, by which names are searched and put in order."""
    return func.translate(func.lower(column), _MARKED, _PLAIN, type_=String)


def translate(text: str | None, letters: str, those: str) -> str | None:
    """Do for SQLite (app/database/engines.py) what PostgreSQL's function of this name does."""
    return None if text is None else text.translate(_table(letters, those))


@cache
def _table(letters: str, those: str) -> dict[int, str | None]:
    return {ord(letter): those[n] if n < len(those) else None for n, letter in enumerate(letters)}


def _matching(query: Select[Any], columns: ListColumns, request: ListRequest) -> Select[Any]:
    if columns.at is not None:
        query = query.where(columns.at >= request.since_ms) if request.since_ms else query
        query = query.where(columns.at < request.until_ms) if request.until_ms else query
    if not columns.names:
        return query
    names = columns.names[0]
    for each in columns.names[1:]:
        names = names.concat(" ").concat(each)
    for word in request.words.lower().split()[:_MOST_WORDS]:
        plain = str(translate(word, _MARKED, _PLAIN))
        query = query.where(without_marks(names).contains(plain, autoescape=True))
    return query


def _order(columns: ListColumns, request: ListRequest) -> tuple[ColumnElement[Any], bool]:
    """Return the value by which rows are in order, and whether the greatest comes first."""
    name = request.order.removeprefix("-")
    if name in columns.orders:
        return columns.orders[name], request.order.startswith("-")
    dated = columns.at is not None and (request.since_ms or request.until_ms)
    return (columns.at if dated and columns.at is not None else columns.id), True


def _place(after: str, key: ColumnElement[Any] | None) -> tuple[Any, int] | None:
    """Return value and id of the last row before the part; None for none, or for what is no key.

    key: by which rows are in order; None: by their id alone.
    """
    number, between, value = after.partition(_BETWEEN)
    value, text = (value, isinstance(key.type, String)) if key is not None else (number, False)
    if (key is None) == bool(between):
        return None
    if not _is_whole(number) or not (text or _is_whole(value)):
        return None
    return (value if text else min(int(value), _LARGEST)), min(int(number), _LARGEST)


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 20


def _behind(
    by: tuple[ColumnElement[Any], ColumnElement[Any]], place: tuple[Any, int], down: bool
) -> ColumnElement[bool]:
    """Match what comes after the place; the first condition is there for the index."""
    key, number = by
    value, last = (literal(each, None if isinstance(each, str) else BigInteger()) for each in place)
    if down:
        return and_(key <= value, or_(key < value, number < last))
    return and_(key >= value, or_(key > value, number > last))

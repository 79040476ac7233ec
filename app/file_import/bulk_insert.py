"""Puts rows into a table in bulk: COPY on PostgreSQL, many rows a statement on SQLite."""

from __future__ import annotations

import mmap
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table

# ---- Which numbers have been met: one bit each

_FIRST = 84_000_000_000
_NUMBERS = 1_000_000_000


class PhoneBitmap:
    """The numbers from 84000000000 to 84999999999 met so far, one bit each.

    The system has memory only for pages that are touched: 125 KB for a million numbers in a row, 15 MB for a
    million from anywhere in the ranges of a large carrier, 125 MB at the most.
    """

    def __init__(self) -> None:
        self._bits = mmap.mmap(-1, _NUMBERS // 8, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def add_all(self, phones: Iterable[int]) -> list[bool]:
        """Of each whether it is new; they are known from now on. 0 stands for no number, and never is."""
        bits, found = self._bits, list[bool]()
        for phone in phones:
            if not phone:
                found.append(False)
                continue
            place, bit = phone - _FIRST >> 3, 1 << (phone & 7)
            byte = bits[place]
            bits[place] = byte | bit
            found.append(not byte & bit)
        return found


# A statement of many rows costs two thirds of as many statements; and sqlite3 lets go of the interpreter's
# lock once for each, so that another thread can read the next rows meanwhile.
_MOST_AT_ONCE = 4096
_FEWER = 4  # so many times fewer in the next statement, for the rows that are left
# sqlite3 takes six times as long over None as over any other value, since it asks first whether it is one of
# an unknown kind: a value that no column has stands for it on the way.
_NULL = -0.5

Columns = Sequence[Sequence[Any]]


def by_column(rows: Iterable[Sequence[Any]]) -> Columns:
    """Rows as store takes them."""
    return tuple(zip(*rows, strict=True))


def store(connection: Connection, table: Table, columns: Columns, names: Sequence[str] = ()) -> None:
    """Insert what the columns hold; they are in the order of `names`, or are all columns of the table."""
    if not columns or not columns[0]:
        return
    driver: Any = connection.connection.driver_connection
    names = names or table.columns.keys()
    if connection.dialect.name == "postgresql":
        into = f"{table.name} ({', '.join(names)})"
        with driver.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in zip(*columns, strict=True):
                copy.write_row(row)
    else:
        _insert(driver, table, columns, tuple(names))


def _insert(driver: sqlite3.Connection, table: Table, columns: Columns, names: tuple[str, ...]) -> None:
    count, width = len(columns[0]), len(names)
    values: list[Any] = [None] * (count * width)
    for place, (name, column) in enumerate(zip(names, columns, strict=True)):
        if table.columns[name].nullable:
            column = [_NULL if each is None else each for each in column]
        values[place::width] = column
    done, size = 0, _MOST_AT_ONCE
    most = driver.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // width
    while done < count:
        while size > min(most, count - done):
            size //= _FEWER
        driver.execute(_statement(table, names, size), values[done * width : (done + size) * width])
        done += size


@cache
def _statement(table: Table, names: tuple[str, ...], rows: int) -> str:
    row = ", ".join(f"nullif(?, {_NULL})" if table.columns[name].nullable else "?" for name in names)
    into = f"{table.name} ({', '.join(names)})"
    return f"INSERT INTO {into} VALUES {', '.join([f'({row})'] * rows)}"  # noqa: S608 - our own names

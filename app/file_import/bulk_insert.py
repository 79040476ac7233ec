"""Bulk inserts: COPY on PostgreSQL, multi-row statements on SQLite; and a bitmap of numbers seen."""

from __future__ import annotations

import mmap
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table

_FIRST = 84_000_000_000
_NUMBERS = 1_000_000_000


class PhoneBitmap:
    """A set of the numbers from 84000000000 to 84999999999, one bit each.

    Only touched pages use memory: 125 KB for a million consecutive numbers, 15 MB for a million scattered
    over a large carrier's ranges, 125 MB at most.
    """

    def __init__(self) -> None:
        self._bits = mmap.mmap(-1, _NUMBERS // 8, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def add_all(self, phones: Iterable[int]) -> list[bool]:
        """Add numbers and return whether each is new. 0 stands for no number and is never new."""
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


# A multi-row statement costs two thirds of single ones, and sqlite3 releases the interpreter lock once per
# statement, so that another thread can read the next rows.
_MOST_AT_ONCE = 4096
_FEWER = 4  # divisor of the statement size for the remaining rows
# sqlite3 takes six times as long for None as for other values, because it first checks for adapters, so a
# value that no column contains stands in for it.
_NULL = -0.5

Columns = Sequence[Sequence[Any]]


def by_column(rows: Iterable[Sequence[Any]]) -> Columns:
    """Transpose rows into the form that store takes."""
    return tuple(zip(*rows, strict=True))


def store(connection: Connection, table: Table, columns: Columns, names: Sequence[str] = ()) -> None:
    """Insert columns, in the order of `names` or of all columns of the table."""
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

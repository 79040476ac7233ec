"""Puts rows into a table in bulk: COPY on PostgreSQL, many rows a statement on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Table

# A statement of many rows costs two thirds of as many statements; and sqlite3 lets go of the interpreter's
# lock once for each, so that another thread can read the next rows meanwhile.
_MOST_AT_ONCE = 4096
_FEWER = 4  # so many times fewer in the next statement, for the rows that are left


def store(
    connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]], columns: Sequence[str] = ()
) -> None:
    """Insert the rows; their values are in the order of `columns`, or of all columns of the table."""
    if not rows:
        return
    driver: Any = connection.connection.driver_connection
    into = columns or table.columns.keys()
    names = ", ".join(into)
    if connection.dialect.name == "postgresql":
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    done, size = 0, _MOST_AT_ONCE
    most = driver.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(into)
    while done < len(rows):
        while size > min(most, len(rows) - done):
            size //= _FEWER
        values = tuple(chain.from_iterable(rows[done : done + size]))
        driver.execute(_insert(table.name, names, len(into), size), values)
        done += size


@cache
def _insert(table: str, names: str, width: int, rows: int) -> str:
    one = f"({', '.join('?' * width)})"
    return f"INSERT INTO {table} ({names}) VALUES {', '.join([one] * rows)}"  # noqa: S608 - our own names

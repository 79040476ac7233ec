"""Pass many rows to one PostgreSQL statement: an array for each column whose values differ."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from app.database.models import metadata

Row = tuple[Any, ...]
Shape = tuple[tuple[str, str], ...]  # name and type of each column

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


def shape(table: Table, columns: Iterable[str]) -> Shape:
    return _shape(table.name, tuple(columns))


@cache
def _shape(table: str, columns: tuple[str, ...]) -> Shape:
    types = [metadata.tables[table].c[name].type.compile(_DIALECT) for name in columns]
    return tuple(
        (name, kind.split(" COLLATE")[0].split("(")[0]) for name, kind in zip(columns, types, strict=True)
    )


def spread(prefix: str, shape: Shape, rows: Sequence[Row]) -> tuple[str, dict[str, object]]:
    """Return a SELECT that yields these rows, and its parameters, whose names begin with `prefix`.

    Most rows agree in most columns, and a single value costs both sides less than an array of it.
    """
    columns = list(zip(*rows, strict=True)) or [()] * len(shape)
    several = tuple(number == 0 or len(set(column)) > 1 for number, column in enumerate(columns))
    values = {
        f"{prefix}{number}": array(column) if many else next(iter(column), None)
        for number, (column, many) in enumerate(zip(columns, several, strict=True))
    }
    return _select(prefix, shape, several), values


@cache
def _select(prefix: str, shape: Shape, several: tuple[bool, ...]) -> str:
    arrays, names, chosen = [], [], []
    for number, ((name, kind), many) in enumerate(zip(shape, several, strict=True)):
        if many:
            arrays.append(f"%({prefix}{number})s::{kind}[]")
            names.append(name)
        chosen.append(name if many else f"%({prefix}{number})s::{kind} AS {name}")
    rows = f"unnest({', '.join(arrays)}) AS {prefix}({', '.join(names)})"
    # OFFSET hides constants from the planner, which would filter by the shared values before the keys.
    return f"SELECT {', '.join(chosen)} FROM {rows} OFFSET 0"  # noqa: S608 - constants of ours; values are bound


def array(column: Sequence[Any]) -> object:
    """Convert a column to one parameter.

    psycopg writes arrays value by value in Python. Numbers and plain texts go faster: the items of a JSON
    list are valid in an array literal. Texts with control characters are left to psycopg.
    """
    if str in set(map(type, column)):
        texts = [value for value in column if value is not None]
        if not "".join(texts).isprintable():
            return list(column)
    return "{" + json.dumps(column, ensure_ascii=False)[1:-1] + "}"

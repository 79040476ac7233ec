"""Records read from rows by the names of their own fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from app.core import clock

Record = TypeVar("Record")


def from_row(kind: Callable[..., Record], row: Any, **values: Any) -> Record:
    """Make a record of the row's columns of the same names; values: fields that are not such a column.

    A time is stored in milliseconds, a state as its value.
    """
    for name, convert in _fields(kind):
        if name not in values:
            value = getattr(row, name)
            values[name] = value if convert is None or value is None else convert(value)
    return kind(**values)


@cache
def _fields(kind: Any) -> list[tuple[str, Callable[[Any], Any] | None]]:
    hints = get_type_hints(kind)
    return [(field.name, _converter(hints[field.name])) for field in fields(kind)]


def _converter(hint: Any) -> Callable[[Any], Any] | None:
    for kind in get_args(hint) if get_origin(hint) is UnionType else (hint,):
        if kind is datetime:
            return clock.moment
        if isinstance(kind, type) and issubclass(kind, Enum):
            return kind
    return None

"""Records read from rows, and from JSON that they were kept as, by the names of their own fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache, partial
from types import NoneType, UnionType
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


def from_json(kind: Callable[..., Record], kept: Mapping[str, Any]) -> Record:
    """Make a record of what `dataclasses.asdict` made of one; fields that it lacks have their defaults.

    Raises KeyError for a name that is no field, TypeError for one that is missing.
    """
    parts = _parts(kind)
    return kind(**{name: value if value is None else parts[name](value) for name, value in kept.items()})


@cache
def _parts(kind: Any) -> dict[str, Callable[[Any], Any]]:
    return {name: _part(hint) for name, hint in get_type_hints(kind).items()}


def _part(hint: Any) -> Callable[[Any], Any]:
    """Return what restores a value of this type, other than None."""
    if get_origin(hint) is UnionType:
        return next(_part(each) for each in get_args(hint) if each is not NoneType)
    if get_origin(hint) is tuple:
        each = _part(get_args(hint)[0])
        return lambda values: tuple(each(value) for value in values)
    if isinstance(hint, type) and is_dataclass(hint):
        return partial(from_json, hint)
    return hint if isinstance(hint, type) and issubclass(hint, Enum) else lambda value: value


def _converter(hint: Any) -> Callable[[Any], Any] | None:
    for kind in get_args(hint) if get_origin(hint) is UnionType else (hint,):
        if kind is datetime:
            return clock.moment
        if isinstance(kind, type) and issubclass(kind, Enum):
            return kind
    return None

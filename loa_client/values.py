"""Between Python's values and JSON's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from loa_client.problems import LoaError


class Unsendable(LoaError, TypeError):
    """A value of a type that has no form in JSON."""


def given(*nullable: str, **values: object) -> dict[str, Any]:
    """Return the values that are not None, and those of these names in any case, as JSON has them."""
    return {name: plain(each) for name, each in values.items() if each is not None or name in nullable}


def plain(value: Any) -> Any:
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return given(**{each.name: getattr(value, each.name) for each in fields(value)})
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(each) for each in value]
    if value is not None and not isinstance(value, str | int | float):
        kind = type(value).__name__
        raise Unsendable(f"A {kind} cannot be sent. Use text, for example 07:00 for a time of day.")
    return value


def parse(kind: Any, value: Any) -> Any:
    """Return a JSON value as this type; raises TypeError or ValueError for another one.

    Fields and words that this package does not know are let through: a newer server may have more.
    """
    origin, within = get_origin(kind), get_args(kind)
    if kind is Any or origin is Literal:
        return value
    if origin in (Union, UnionType):
        return _one_of(within, value)
    if origin is list:
        return [parse(within[0], each) for each in _is(list, value)]
    if origin is tuple:
        return tuple(parse(of, each) for of, each in zip(within, _is(list, value), strict=True))
    if origin is dict:
        return {name: parse(within[1], each) for name, each in _is(dict, value).items()}
    if is_dataclass(kind):
        made: Any = kind
        known, found = _hints(made), _is(dict, value)
        return made(**{name: parse(known[name], found[name]) for name in known if name in found})
    if kind in (datetime, date):
        return kind.fromisoformat(_is(str, value))
    return _is((int, float) if kind is float else kind, value)


def _one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    if value is None and NoneType in kinds:
        return None
    some = [kind for kind in kinds if kind is not NoneType]
    for kind in some[:-1]:
        try:
            return parse(kind, value)
        except (TypeError, ValueError):
            continue
    return parse(some[-1], value)


def _is(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{type(value).__name__} in place of {kind}")
    return value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)

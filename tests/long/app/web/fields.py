"""What pydantic can say of a field of a page's form or address, by the shapes of our models."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.api import bodies
from app.web.routers import ROUTERS
from tests.long.app.web.sentences import modules
from tests.long.app.web.spoken import PLACE
from tests.operations import OPERATIONS
from tests.trees import parsed

# What each kind of field can be wrong in, and each limit on it; pydantic's own names.
KINDS: dict[str, set[str]] = {
    "bool": {"bool_type", "bool_parsing"},
    "date": {
        *("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
    },
    "datetime": {
        "datetime_type",
        "datetime_parsing",
        "datetime_object_invalid",
        "datetime_from_date_parsing",
    },
    "default": set(),
    "dict": {"dict_type", "invalid_key"},
    "enum": {"enum"},
    "function-before": {"int_type", "int_parsing"},
    "no-info": set(),  # app/core/ids.py alone
    "with-info": {"int_type", "float_type"},  # app/api/bodies.py: true for a number
    "int": {"int_type", "int_parsing", "int_parsing_size", "int_from_float", "finite_number"},
    "float": {"float_type", "float_parsing", "finite_number"},
    "list": {"list_type"},
    "model": {"model_type"},
    "model-field": {"missing"},
    "model-fields": {"extra_forbidden"},
    "nullable": set(),
    "str": {"string_type", "string_unicode"},
    "tuple": {"tuple_type", "missing", "too_long"},
    "literal": {"literal_error"},
}
LIMITS: dict[str, set[str]] = {
    "ge": {"greater_than_equal"},
    "le": {"less_than_equal"},
    "gt": {"greater_than"},
    "lt": {"less_than"},
    "pattern": {"string_pattern_mismatch"},
    "min_length": {"too_short"},
    "max_length": {"too_long"},
    "tz_constraint": {"timezone_aware"},
}
# Of no limit on what people enter: how a field is kept, where it comes from, what stands in for it.
QUIET = {
    "function",  # app/core/ids.py
    *("type", "schema", "metadata", "ref", "cls", "config", "serialization", "custom_init", "root_model"),
    *(
        "default",
        "default_factory",
        "items_schema",
        "variadic_item_index",
        "expected",
        "default_factory_takes_data",
        "members",
        "sub_type",
        "missing",
        "microseconds_precision",
        "strip_whitespace",
        "fields",
    ),
    *("items_schema", "keys_schema", "values_schema", "computed_fields", "model_name", "post_init"),
}


def models() -> list[type[BaseModel]]:
    """The bodies that forms are read into: those of operations, and those that filled(...) is asked for."""
    found = {each.body[1].__name__: each.body[1] for each in OPERATIONS.values() if each.page and each.body}
    for file in (each for each in modules() if each.name != "operation_forms.py"):
        for node in ast.walk(tree := parsed(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "filled":
                if file.name == "operation_forms.py":
                    continue  # any operation's
                name = ast.unparse(node.args[0])
                found[name] = getattr(importlib.import_module(_home(tree, name)), name)
    return [*found.values(), *(each.body[1] for each in OPERATIONS.values() if each.body and each.page)]


def _home(tree: ast.Module, name: str) -> str:
    froms = (node for node in tree.body if isinstance(node, ast.ImportFrom))
    return next(str(each.module) for each in froms if name in [alias.name for alias in each.names])


def schemas() -> Iterator[Any]:
    """Of all bodies, and of all parameters of pages."""
    yield from (model.__pydantic_core_schema__ for model in models())
    for route in (route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)):
        for needed in _needed(route.dependant):
            for field in (*needed.path_params, *needed.query_params, *needed.header_params):
                yield field._type_adapter.core_schema


def _needed(of: Dependant) -> Iterator[Dependant]:
    yield of
    for each in of.dependencies:
        yield from _needed(each)


def parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Each field's own schema within."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "lax-or-strict":  # of a password, which is text
            return
        if isinstance(schema.get("type"), str):
            yield schema
        for value in schema.values():
            yield from parts(value)
    elif isinstance(schema, list | tuple):
        for value in schema:
            yield from parts(value)


def errors_of(part: Mapping[str, Any]) -> set[str]:
    """Which errors this field can give; KeyError for a kind or a limit that nobody has thought of."""
    if part["type"] == "function-after" and part["function"]["function"] is bodies.without_mobile:
        return {"mobile_number"}
    if part["type"] == "function-after" and part["schema"]["type"] == "lax-or-strict":  # a password's limit
        return {"too_long"}
    found = set(KINDS[part["type"]])
    for limit in set(part) - QUIET:
        found |= LIMITS[limit]
    if part["type"] == "str":  # the limits of length have other names there
        found = {f"string_{each}" if each in ("too_short", "too_long") else each for each in found}
    return found


@cache
def needed_errors() -> frozenset[str]:
    return frozenset(each for schema in schemas() for part in parts(schema) for each in errors_of(part))


def _sentences() -> Iterator[str]:
    """What app/api/bodies.py makes of each."""
    for kind in sorted(needed_errors()):
        yield bodies.SENTENCES[kind]
    yield from bodies.PATTERNS.values()


SENTENCES = {PLACE.sub("{}", each) for each in _sentences()}


def names_of_fields() -> set[str]:
    """What the fields of forms are called in the code."""
    nested = (part for schema in schemas() for part in parts(schema) if part["type"] == "model-fields")
    return {name for part in nested for name in part["fields"]}

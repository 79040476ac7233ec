"""The wall between carriers for their names: an operator names its own, or none, which means the same.

Walled is every parameter of a path or query, and every field of a body, with the type Carrier
(app/api/bodies.py). No operation open to operators may take a carrier anywhere else.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from inspect import Parameter
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.api.bodies import Walled
from app.security.principal import Caller
from app.security.tenant_scope import names_a_carrier, own_carrier


def own_only(who: Caller, walled: Sequence[str], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with the operator's carrier wherever one of these `walled` names is left out.

    Raises Forbidden for another carrier.
    """
    if who.carrier is None:
        return dict(arguments)
    own = {name: own_carrier(who, arguments.get(name)) for name in walled}
    return {**{name: _filled(who, value) for name, value in arguments.items()}, **own}


def walled_parameters(parameters: Sequence[Parameter]) -> list[str]:
    """Return the names of those parameters of path and query that are carriers."""
    return [each.name for each in parameters if _is_walled(each.annotation)]


def require_walled(operation: str, parameters: Sequence[Parameter]) -> None:
    """Raise TypeError for an operation, open to operators, that takes a carrier outside the wall."""
    walled = walled_parameters(parameters)
    for each in parameters:
        models = list(_models(each.annotation))
        if each.name not in walled and not models and _concerns_carrier(each.name, each.annotation):
            raise TypeError(f"{operation}: {each.name} must be of the type Carrier")
        for name, field in ((name, field) for model in models for name, field in model.model_fields.items()):
            if not _is_field_walled(field) and _concerns_carrier(name, field.annotation, *field.metadata):
                raise TypeError(f"{operation}: {each.name}.{name} must be of the type Carrier")


def _filled(who: Caller, value: Any) -> Any:
    if not isinstance(value, BaseModel):
        return value
    walled = (name for name, field in type(value).model_fields.items() if _is_field_walled(field))
    own = {name: own_carrier(who, getattr(value, name)) for name in walled}
    return value.model_copy(update=own) if own else value


def _is_field_walled(field: FieldInfo) -> bool:
    return Walled in field.metadata or _is_walled(field.annotation)


def _is_walled(annotation: Any) -> bool:
    """Return whether it is a Carrier, or one that may be left out."""
    origin, within = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Walled in within[1:] or _is_walled(within[0])
    kinds = [kind for kind in within if kind is not NoneType]
    return origin in (Union, UnionType) and all(_is_walled(kind) for kind in kinds)


def _concerns_carrier(name: str, annotation: Any, *marks: Any) -> bool:
    """Return whether a name, or a type at any depth, is about carriers."""
    if names_a_carrier(name) or Walled in (annotation, *marks):
        return True
    fields = [
        _concerns_carrier(within, field.annotation, *field.metadata)
        for model in _models(annotation)
        for within, field in model.model_fields.items()
    ]
    return any(fields) or any(_concerns_carrier("", each) for each in get_args(annotation))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the body's type, also of one that may be left out."""
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType, Annotated) else (annotation,)
    yield from (kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, BaseModel))

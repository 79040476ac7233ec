"""The pages' door of operations: the target of a form for each that changes something."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from inspect import Parameter, Signature
from string import Formatter
from types import ModuleType
from typing import Any, get_args, get_origin

from anyio import from_thread
from fastapi import Response
from pydantic import AwareDatetime, SecretStr
from pydantic.fields import FieldInfo
from sqlalchemy import Connection

from app.api.bodies import Body, filled
from app.api.dependencies import Routes
from app.core.errors import AppError, Invalid, NotFound, Unauthorised
from app.database.connection import Database, Joined
from app.operations import Operation, Work, declared_in
from app.security.roles import PAGE_DOES
from app.web.forms import read_fields
from app.web.forms.read_fields import Version
from app.web.rendering import Fields, FormData, PageRequest, Visit, redirect_with_flash, refused
from app.web.translations import Said
from carriers.phrases import join

Again = Callable[
    ..., Any
]  # takes `visit`, which has `entered`, `fields` and ids of the path, as far as it names them
Shows = Callable[..., Response]  # takes `visit`, `answer`, `body` and ids of the path in the same way
Reads = Callable[[FormData], Mapping[str, Any]]
Unchanged = Callable[..., None]  # the connection, the version, and the path's ids by their names
_NONE: Mapping[str, Any] = {}


def add_forms(
    router: Routes,
    *modules: ModuleType,
    again: Again | None = None,
    only: Mapping[str, Again | None] | None = None,
    shows: Mapping[str, Shows] = _NONE,
    reads: Mapping[str, Reads] = _NONE,
    unchanged: Unchanged | None = None,
) -> None:
    """Add to a page's router the targets of the forms of these modules' operations.

    again: the page of a form, shown once more with its refusal; without one that is a page of its own.
    only: these operations, each with its `again`. shows: renders an answer, such as a secret, instead of
    another page. reads: returns the body's fields out of a form that has them in other shapes. unchanged:
    raises VersionChanged if the page was rendered from another version than the one of now.
    """
    operations = {each.name: each for each in declared_in(*modules) if each.page}
    if unknown := {*(only or ()), *shows, *reads} - operations.keys():
        raise TypeError(f"{min(unknown)}: these modules declare no such form")
    for name, operation in operations.items():
        if only is None or name in only:
            rendered = again if only is None else only[name]
            _require_arguments(operation, rendered, "visit", "entered", "fields")
            _require_arguments(operation, shows.get(name), "visit", "answer", *(operation.body or ())[:1])
            target = _target(operation, rendered, shows.get(name), reads.get(name), unchanged)
            router.add_api_route(operation.form, target, methods=["POST"], response_model=None)


def _require_arguments(operation: Operation, page: Callable[..., Any] | None, *arguments: str) -> None:
    """Raise TypeError for a page that needs more than these and what the form's address has."""
    known = {*arguments, *(each.name for each in operation.ids)}
    for each in inspect.signature(page).parameters.values() if page else ():
        is_open = each.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
        if each.default is Parameter.empty and not is_open and each.name not in known:
            raise TypeError(f"{operation.name}: its page needs {each.name}, which {operation.form} has not")


def _target(
    operation: Operation,
    again: Again | None,
    shows: Shows | None,
    reads: Reads | None,
    unchanged: Unchanged | None,
) -> Any:
    def target(*, visit: Visit, fields: Fields, version: Version = "", **ids: Any) -> Response:
        body: dict[str, Any] = {}

        def within(connection: Connection) -> Any:
            if unchanged is not None:
                unchanged(connection, version, **ids)
            return operation.carry_out(work(visit, Joined(visit.db, connection)), **ids, **body)

        try:
            if operation.body:
                name, kind = operation.body
                body[name] = filled(kind, reads(fields)) if reads else filled_form(kind, fields)
            answer = (
                operation.carry_out(work(visit), **ids, **body) if not version else visit.db.write(within)
            )
        except AppError as error:
            if again is None or isinstance(error, NotFound | Unauthorised):
                raise
            entered = refused(error, fields, *_secrets(operation))
            shown = replace(visit, entered=entered)
            return _rendered(again, visit=shown, entered=entered, fields=fields, **ids)
        if shows is not None:
            return _rendered(shows, visit=visit, answer=answer, **ids, **body)
        said, told = operation.flash or operation.done, operation.told(ids | body, answer)
        named = {name for _, name, *_ in Formatter().parse(said) if name}
        values = {name: told[name] for name in named}
        return redirect_with_flash(visit, operation.page.format(**told), Said(said), **values)

    given = {"visit": Visit, "fields": Fields}
    own = [Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind) for name, kind in given.items()]
    if unchanged is not None:
        own.append(Parameter("version", Parameter.KEYWORD_ONLY, annotation=Version, default=""))
    target.__name__, target.__doc__ = PAGE_DOES + operation.name, operation.help
    target.__signature__ = Signature([*operation.ids, *own])  # type: ignore[attr-defined]
    return target


def work(visit: PageRequest, db: Database | None = None) -> Work:
    """Return what an operation works with for this visitor; db: one transaction that there is already."""
    return Work(db=db or visit.db, settings=visit.settings, who=visit.who)


def _rendered(again: Again, **values: Any) -> Response:
    taken = inspect.signature(again).parameters
    page = partial(again, **{name: value for name, value in values.items() if name in taken})
    return from_thread.run(page) if inspect.iscoroutinefunction(again) else page()  # type: ignore[no-any-return]


def filled_form(kind: type[Body], fields: FormData) -> Body:
    """Build a body from a form: an empty field that may be left out is; raises Invalid for all wrong ones."""
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name, field in kind.model_fields.items():
        try:
            value = _value(field, name, fields)
        except Invalid as error:
            faults |= dict(error.faults)
        else:
            if value not in (None, "", []) or field.is_required():
                values[name] = value
    try:
        body = filled(kind, values)
    except Invalid as error:
        faults = dict(error.faults) | faults
    if faults:
        raise Invalid(join(faults.values()), faults=list(faults.items()))
    return body


def _value(field: FieldInfo, name: str, fields: FormData) -> Any:
    """Read a field as people of Vietnam write it; a password keeps its blanks."""
    kinds = {field.annotation, get_origin(field.annotation), *get_args(field.annotation)}
    if list in kinds:
        return fields.all(name)
    if AwareDatetime in kinds:
        return read_fields.moment(fields, name)
    if date in kinds:
        return read_fields.iso_day(fields.get(name))
    if int in kinds:
        empty_or = (
            read_fields.number if type(None) in kinds or not field.is_required() else read_fields.needed
        )
        return empty_or(fields, name)
    return fields.raw(name) if SecretStr in kinds else fields.get(name)


def _secrets(operation: Operation) -> list[str]:
    fields = operation.body[1].model_fields if operation.body else {}
    return [*operation.hidden, *(name for name, field in fields.items() if field.annotation is SecretStr)]

"""The pages' door of operations: the target of a form for each that changes something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from string import Formatter
from typing import Any

from fastapi import Response
from pydantic import SecretStr

from app.api.bodies import Body, filled
from app.api.dependencies import Routes
from app.core.errors import Conflict, Invalid
from app.operations import Operation, tagged
from app.security.roles import PAGE_DOES
from app.web.rendering import Fields, FormData, Visit, redirect_with_flash, refused
from app.web.translations import Said

Again = Callable[..., Response]  # the visit, what was entered, and the path's ids by their names
Shows = Callable[..., Response]  # the visit, and the answer
_NONE: Mapping[str, Any] = {}


def add_forms(
    router: Routes, tag: str, again: Mapping[str, Again] = _NONE, shows: Mapping[str, Shows] = _NONE
) -> None:
    """Add to a page's router the targets of the forms of these operations.

    again: renders the page of a form once more with its refusal, by the operation's name; without one the
    refusal is a page of its own. shows: renders an answer, such as a secret, instead of another page.
    """
    for operation in tagged(tag):
        if operation.page:
            target = _target(operation, again.get(operation.name), shows.get(operation.name))
            router.add_api_route(operation.form, target, methods=["POST"], response_model=None)


def _target(operation: Operation, again: Again | None, shows: Shows | None) -> Any:
    def target(*, visit: Visit, fields: Fields, **ids: Any) -> Response:
        try:
            body = {operation.body[0]: filled_form(operation.body[1], fields)} if operation.body else {}
            work = operation.work(visit.db, visit.settings, visit.who, {}, **ids, **body)
            answer = visit.db.write(work)
        except (Conflict, Invalid) as error:
            if again is None:
                raise
            return again(visit, refused(error, fields, *_secrets(operation)), **ids)
        if shows is not None:
            return shows(visit, answer)
        named = {name for _, name, *_ in Formatter().parse(operation.done) if name}
        values = {name: value for name, value in operation.told(ids, answer).items() if name in named}
        return redirect_with_flash(visit, operation.page.format(**ids), Said(operation.done), **values)

    given = {"visit": Visit, "fields": Fields}
    own = [Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind) for name, kind in given.items()]
    target.__name__, target.__doc__ = PAGE_DOES + operation.name, operation.help
    target.__signature__ = Signature([*operation.ids, *own])  # type: ignore[attr-defined]
    return target


def filled_form(kind: type[Body], fields: FormData) -> Body:
    """Build a body from a form: an empty field that may be left out is; a password keeps its blanks."""
    values: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        value = fields.raw(name) if field.annotation is SecretStr else fields.get(name)
        if value or field.is_required():
            values[name] = value
    return filled(kind, values)


def _secrets(operation: Operation) -> list[str]:
    fields = operation.body[1].model_fields if operation.body else {}
    return [name for name, field in fields.items() if field.annotation is SecretStr]

"""The pages' door of operations: the target of a form for each that changes something."""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import Any

from fastapi import Response

from app.api.bodies import filled
from app.api.dependencies import Routes
from app.operations import Operation, tagged
from app.security.authorization import CSRF_FIELD
from app.security.roles import PAGE_DOES
from app.web.rendering import Fields, Visit, redirect_with_flash
from app.web.translations import Said


def add_forms(router: Routes, tag: str) -> None:
    """Add to a page's router the targets of the forms of these operations."""
    for operation in tagged(tag):
        if operation.page:
            path = operation.path.removeprefix("/v1")
            router.add_api_route(path, _target(operation), methods=["POST"], response_model=None)


def _target(operation: Operation) -> Any:
    async def target(*, visit: Visit, fields: Fields, **ids: Any) -> Response:
        values = {name: fields.get(name) for name in fields.lists if name != CSRF_FIELD}
        body = {operation.body[0]: filled(operation.body[1], values)} if operation.body else {}
        await visit.db.awrite(operation.work(visit.db, visit.settings, visit.who, {}, **ids, **body))
        return redirect_with_flash(visit, operation.page.format(**ids), Said(operation.done))

    given = {"visit": Visit, "fields": Fields}
    own = [Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind) for name, kind in given.items()]
    target.__name__, target.__doc__ = PAGE_DOES + operation.name, operation.help
    target.__signature__ = Signature([*operation.ids, *own])  # type: ignore[attr-defined]
    return target

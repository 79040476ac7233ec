"""The HTTP door of operations: a route from each one's signature."""

from __future__ import annotations

from inspect import Parameter, Signature
from typing import Any

from fastapi import Response

from app.api.dependencies import Config, Db, Routes, Who
from app.api.idempotent_route import Acts
from app.operations import Operation, tagged


def routes(tag: str) -> Routes:
    """Return routes of the operations with this tag, which must have been declared."""
    router = Routes(tags=[tag], route_class=Acts)
    for each in tagged(tag):
        router.add_api_route(each.path, _endpoint(each), methods=[each.method], status_code=each.status)
    return router


def _endpoint(operation: Operation) -> Any:
    def endpoint(*, db: Db, settings: Config, who: Who, response: Response, **arguments: Any) -> Any:
        headers: dict[str, str] = {}
        work = operation.work(db, settings, who, headers, **arguments)
        answer = db.read(work) if operation.reads else db.write(work)
        response.headers.update(headers)
        return answer

    given = {"db": Db, "settings": Config, "who": Who, "response": Response}
    own = [Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind) for name, kind in given.items()]
    parameters = [*operation.parameters, *own]
    answer = None if operation.answer is type(None) else operation.answer
    endpoint.__name__, endpoint.__doc__ = operation.name, operation.help
    endpoint.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": answer}
    endpoint.__signature__ = Signature(parameters, return_annotation=answer)  # type: ignore[attr-defined]
    return operation.keeps(endpoint)

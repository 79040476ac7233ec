"""The HTTP door of operations: a route from each one's signature."""

from __future__ import annotations

import inspect
from typing import Any

from app.api.dependencies import Db, Routes, Who
from app.api.idempotent_route import Acts
from app.operations import Operation, tagged


def routes(tag: str) -> Routes:
    """Return routes of the operations with this tag, which must have been declared."""
    router = Routes(tags=[tag], route_class=Acts)
    for each in tagged(tag):
        router.add_api_route(each.path, _endpoint(each), methods=[each.method], status_code=each.status)
    return router


def _endpoint(operation: Operation) -> Any:
    def endpoint(*, db: Db, who: Who, **arguments: Any) -> Any:
        return operation.run(db, who, **arguments)

    annotations = {**operation.parameters, "db": Db, "who": Who}
    answer = None if operation.answer is type(None) else operation.answer
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, kind, annotation=value) for name, value in annotations.items()]
    endpoint.__name__, endpoint.__doc__ = operation.name, operation.help
    endpoint.__annotations__ = {**annotations, "return": answer}
    endpoint.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        parameters, return_annotation=answer
    )
    return endpoint

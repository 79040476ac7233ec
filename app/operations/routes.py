"""The HTTP door of operations: a route from each one's signature."""

from __future__ import annotations

import re
from collections.abc import Mapping
from inspect import Parameter, Signature
from types import ModuleType
from typing import Annotated, Any, get_args, get_origin
from urllib.parse import quote

from fastapi import Path, Query, Response

from app.api import dependencies
from app.api.dependencies import Config, Cursor, Db, Page, Routes, Who, following
from app.api.idempotent_route import Acts, Kept, Read, in_slices, shows_secret, unkeyed
from app.database.listing import ListPart
from app.operations import Download, Operation, Paging, Work, declared_in, described, undescribed

# A name that needs no quoting in a header.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_DOOR = {"db": "db", "settings": "settings", "who": "who", "kept": "position", "read": "if_match"}


def routes(*modules: ModuleType) -> Routes:
    """Return routes of the operations that these modules declare."""
    router = Routes(route_class=Acts)
    for each in declared_in(*modules):
        endpoint = _marked(each, _endpoint(each))
        options: dict[str, Any] = {"responses": {200: dict(each.files)}} if each.files else {}
        options |= {"response_class": Response, "response_model": None} if each.writes else {}
        router.add_api_route(
            each.path, endpoint, methods=[each.method], status_code=each.status, tags=[each.tag], **options
        )
    return router


def sent(file: Download, headers: Mapping[str, str]) -> Response:
    """Return a file as a response that no cache keeps."""
    headers = {"Cache-Control": "no-store", **headers}
    if file.name:
        plain = _PLAIN_NAME.fullmatch(file.name)
        name = f'filename="{file.name}"' if plain else f"filename*=UTF-8''{quote(file.name)}"
        headers["Content-Disposition"] = f"attachment; {name}"
    return Response(file.content, media_type=file.media_type, headers=headers)


def _endpoint(operation: Operation) -> Any:
    part = operation.paging

    def endpoint(*, response: Response, **arguments: Any) -> Any:
        if operation.is_apart:
            return operation.carry_out_apart(arguments.pop("who"), **arguments)
        work = Work(**{_DOOR[name]: arguments.pop(name) for name in door})
        if part is None:
            answer = operation.carry_out(work, **arguments)
        else:
            cursor: Cursor = arguments.pop(part)
            found = operation.carry_out(work, **arguments, **{part: Paging(cursor.after, cursor.limit)})
            answer = Page(found.items, following(int(found.next) if found.next else None, cursor))
        if isinstance(answer, Download):
            return sent(answer, work.headers)
        response.headers.update(work.headers)
        return answer

    door: dict[str, Any] = {"who": Who} if operation.is_apart else {"db": Db, "settings": Config, "who": Who}
    door |= {"kept": Kept} if operation.in_slices and not operation.reads else {}
    door |= {"read": Read} if operation.versioned else {}
    own = [Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind) for name, kind in door.items()]
    own.append(Parameter("response", Parameter.KEYWORD_ONLY, annotation=Response))
    parameters = [*(_read_by_fastapi(operation, each) for each in operation.parameters), *own]
    answer = None if operation.answer is type(None) else operation.answer
    answer = Page[get_args(answer)[0]] if get_origin(answer) is ListPart else answer  # type: ignore[misc]
    if operation.writes:
        answer = Response
    elif Download in get_args(answer):
        answer = next(kind for kind in get_args(answer) if kind is not Download)
    endpoint.__name__, endpoint.__doc__ = operation.name, operation.help
    endpoint.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": answer}
    endpoint.__signature__ = Signature(parameters, return_annotation=answer)  # type: ignore[attr-defined]
    return endpoint


def _read_by_fastapi(operation: Operation, parameter: Parameter) -> Parameter:
    """Return it as FastAPI takes it; operations are declared without FastAPI, which commands do not load."""
    if parameter.annotation is Paging:
        return parameter.replace(annotation=dependencies.Paging)
    field = described(parameter.annotation)
    if field is None:
        return parameter
    place: Any = Path if parameter in operation.ids else Query
    told = place(description=field.description, examples=field.examples, alias=field.alias)
    return parameter.replace(annotation=Annotated[undescribed(parameter.annotation), told])


def _marked(operation: Operation, endpoint: Any) -> Any:
    if not operation.keyed:
        return unkeyed(endpoint)
    if operation.secret is not None:
        return shows_secret(operation.secret)(endpoint)
    return in_slices(endpoint) if operation.in_slices else endpoint

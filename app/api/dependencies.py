"""FastAPI dependencies shared by all routes: database, settings, caller and paging.

They are coroutines although they wait for nothing: FastAPI runs a plain function in a thread, at every call.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Protocol, TypeVar, cast

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.datastructures import URL, MutableHeaders

from app.api.bodies import refuse_repeated
from app.core.config import Settings
from app.core.errors import GIVEN_TWICE, Invalid, NotFound, Unauthorised, meant
from app.core.ids import LARGEST, Exact
from app.database.connection import Database
from app.ledger.ledger import Ledger
from app.security import Caller
from app.security.authorization import permit

# For the OpenAPI document only; app/security/authorization.py reads both.
_bearer = HTTPBearer(auto_error=False, description="An API key: loa_<prefix>_<secret>")
_cookie = APIKeyCookie(
    name="__Host-loa_session",
    auto_error=False,
    description="A session, from POST /v1/session; see docs/access.md",
)


PROBLEM_TYPE = "application/problem+json"
_PROBLEM = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}  # app/api/problems.py
_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "Refused, in words", "content": _PROBLEM},
    "5XX": {"description": "Not possible now", "content": _PROBLEM},
}


def _name(route: APIRoute) -> str:
    return route.name


def hint_of(name: str, choices: Iterable[str]) -> str:
    """Return what may be meant by a name that is not known."""
    near = meant(name, choices)
    return f"Did you mean {near}?" if near else "See /docs for the parameters of this operation."


# Headers that decide what is done, and for whom.
_ONCE = ("authorization", "idempotency-key", "content-type", "if-match", "if-none-match")


async def known_parameters(request: Request) -> None:
    """Raise Invalid for an unknown query parameter, and for one or a header that is given twice.

    An unknown one would filter nothing; of what is given twice only one value would count.
    """
    if not request.url.path.startswith("/v1/"):
        return
    for name in _ONCE:
        if len(request.headers.getlist(name)) > 1:
            raise Invalid(GIVEN_TWICE, field=f"header.{name}")
    for name in request.query_params:
        known = query_names(request.scope["route"])
        if name not in known:
            hint = hint_of(name, known)
            raise Invalid(
                "Unknown query parameter: {parameter}. {hint}",
                parameter=name[:40],
                hint=hint,
                field=f"query.{name[:40]}",
            )
        if len(request.query_params.getlist(name)) > 1:
            raise Invalid(GIVEN_TWICE, field=f"query.{name}")


def no_page() -> NotFound:
    """Return what a program is told that asks for a page."""
    return NotFound(
        "API addresses start with /v1/, for example /v1/runs; other addresses are pages for "
        "browsers. See /docs."
    )


def is_program(request: Request) -> bool:
    """Return whether the caller is no browser: it wants no HTML, and shows a key or asks for JSON."""
    accept = request.headers.get("accept", "")
    return "text/html" not in accept and ("json" in accept or "authorization" in request.headers)


async def known_body(request: Request) -> None:
    """Raise Invalid for JSON that is not UTF-8 or has a name twice, and for a body where an act takes none.

    Uploads are read by app/api/uploads.py, which streams them; of what only reads a body means nothing.
    """
    route: APIRoute = request.scope["route"]
    is_skipped = request.method in ("GET", "HEAD") or "requestBody" in (route.openapi_extra or {})
    if is_skipped or not request.url.path.startswith("/v1/"):
        return
    content = await request.body()
    if route.body_field is None and b"".join(content.split()) not in _NOTHING:
        raise Invalid("This operation does not accept a request body. Remove the body.", field="body")
    if "json" in request.headers.get("content-type", "json").lower():
        if json.detect_encoding(content) != "utf-8":  # libraries read UTF-16 and UTF-32 as well
            raise Invalid(_NOT_UTF8, field="body")
        refuse_repeated(content)
    elif route.body_field is not None and content:
        raise Invalid(_NOT_JSON, field="header.content-type")


_NOT_JSON = "The request body must be JSON. Send it with the header Content-Type: application/json."
_NOT_UTF8 = "The request body must be JSON in UTF-8, without a byte order mark."
_NOTHING = (b"", b"{}", b"null")  # what clients send that always have a body
_known: dict[tuple[str, str], frozenset[str]] = {}  # by path and operation; a route can't be a key


def query_names(route: APIRoute) -> frozenset[str]:
    """Return the names that a route's query may have."""
    operation = (route.path, route.name)
    if operation not in _known:
        _known[operation] = frozenset(_named(route.dependant))
    return _known[operation]


def _named(dependant: Dependant) -> Iterator[str]:
    yield from (each.alias for each in dependant.query_params)
    for within in dependant.dependencies:
        yield from _named(within)


class Routes(APIRouter):
    """Router whose routes all require permission, are named like their functions and share error schemas.

    app/runtime/api_app.py adds its routes directly, because FastAPI builds each route of an included router
    twice and matches every request twice.
    """

    def __init__(self, **more: Any) -> None:
        checks = [Depends(permit), Depends(known_parameters), Depends(known_body)]
        super().__init__(dependencies=checks, responses=_ERRORS, generate_unique_id_function=_name, **more)


async def get_db(request: Request) -> Database:
    return cast(Database, request.app.state.db)


async def get_settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


async def get_ledger(request: Request) -> Ledger:
    return cast(Ledger, request.app.state.ledger)


Db = Annotated[Database, Depends(get_db)]
LedgerDep = Annotated[Ledger, Depends(get_ledger)]
Config = Annotated[Settings, Depends(get_settings)]


async def get_caller(
    caller: Annotated[Caller | None, Depends(permit)],
    _by_key: Annotated[object, Depends(_bearer)],
    _by_session: Annotated[object, Depends(_cookie)],
) -> Caller:
    """Return the caller that app/security/authorization.py admitted; Unauthorised on a public operation."""
    if caller is None:
        raise Unauthorised("Authentication is required.")
    return caller


Who = Annotated[Caller, Depends(get_caller)]
Id = Annotated[int, Path(ge=1, le=LARGEST), Exact]
After = Annotated[
    int, Query(ge=0, le=LARGEST, description="the `next` of the page before; 0 at first"), Exact
]
Limit = Annotated[int, Query(ge=1, le=1000, description="rows on a page"), Exact]


class Identified(Protocol):
    """A row of a list."""

    @property
    def id(self) -> int: ...


Item = TypeVar("Item")
Listed = TypeVar("Listed", bound=Identified)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The requested part of a list. here: its URL; headers: those of the response."""

    after: int
    limit: int
    here: URL
    headers: MutableHeaders


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Part of a list; `next` is the `after` of the following page, None on the last."""

    items: Sequence[Item]
    next: int | None


async def get_paging(request: Request, response: Response, after: After = 0, limit: Limit = 100) -> Cursor:
    return Cursor(after, limit, request.url, response.headers)


Paging = Annotated[Cursor, Depends(get_paging)]


def page_of(items: Sequence[Listed], paging: Cursor) -> Page[Listed]:
    """Build the page of a list in order of id. A full page may have a following one."""
    return page_by(items, paging, lambda item: item.id)


def page_by(items: Sequence[Item], paging: Cursor, number: Callable[[Item], int]) -> Page[Item]:
    """Build the page of a list in order of another number; a Link header also names the next page."""
    return Page(items, following(number(items[-1]) if len(items) >= paging.limit else None, paging))


def following(number: int | None, paging: Cursor) -> int | None:
    """Return the `after` of the next page, which a Link header names as well; None if there is none."""
    if number is not None:
        there = paging.here.include_query_params(after=number)
        paging.headers["Link"] = f'<{there.path}?{there.query}>; rel="next"'
    return number

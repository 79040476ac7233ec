"""What every route needs: the database, the settings, the caller, and pages of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, Protocol, TypeVar, cast

from fastapi import Depends, Path, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.auth import Caller, find_caller
from app.config import Settings
from app.db import Database
from app.errors import Unauthorised
from app.ledger.contract import Ledger

_bearer = HTTPBearer(auto_error=False, description="An API key: loa_<prefix>_<secret>")


def get_db(request: Request) -> Database:
    """The database that app/main.py opened."""
    return cast(Database, request.app.state.db)


def get_settings(request: Request) -> Settings:
    """The settings that app/main.py loaded."""
    return cast(Settings, request.app.state.settings)


def get_books(request: Request) -> Ledger:
    """The ledger on that database."""
    return cast(Ledger, request.app.state.ledger)


Db = Annotated[Database, Depends(get_db)]
Books = Annotated[Ledger, Depends(get_books)]
Config = Annotated[Settings, Depends(get_settings)]


def get_caller(
    db: Db, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    """The caller, or Unauthorised."""
    if credentials is None:
        raise Unauthorised("Send an API key as `Authorization: Bearer loa_...`.")
    return db.read(find_caller, credentials.credentials)


Who = Annotated[Caller, Depends(get_caller)]
Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
After = Annotated[int, Query(ge=0, le=2**31 - 1, description="the `next` of the page before; 0 at first")]
Limit = Annotated[int, Query(ge=1, le=1000, description="rows on a page")]


class Identified(Protocol):
    """A row of a list."""

    @property
    def id(self) -> int: ...


Item = TypeVar("Item")
Listed = TypeVar("Listed", bound=Identified)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Which part of a list is wanted."""

    after: int
    limit: int


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Part of a list; `next` is the `after` of the following page, None on the last."""

    items: Sequence[Item]
    next: int | None


def get_paging(after: After = 0, limit: Limit = 100) -> Cursor:
    """The part of a list that the caller wants."""
    return Cursor(after, limit)


Paging = Annotated[Cursor, Depends(get_paging)]


def page_of(items: Sequence[Listed], paging: Cursor) -> Page[Listed]:
    """The page; a full one may have a following page."""
    return Page(items, items[-1].id if len(items) == paging.limit else None)

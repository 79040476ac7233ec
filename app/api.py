"""What every route needs: the database, the settings and the caller."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.auth import Caller, find_caller
from app.config import Settings
from app.db import Database
from app.errors import Unauthorised

_bearer = HTTPBearer(auto_error=False, description="An API key: loa_<prefix>_<secret>")


def get_db(request: Request) -> Database:
    """The database that app/main.py opened."""
    return cast(Database, request.app.state.db)


def get_settings(request: Request) -> Settings:
    """The settings that app/main.py loaded."""
    return cast(Settings, request.app.state.settings)


Db = Annotated[Database, Depends(get_db)]
Config = Annotated[Settings, Depends(get_settings)]


def get_caller(
    db: Db, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    """The caller, or Unauthorised."""
    if credentials is None:
        raise Unauthorised("Send an API key as `Authorization: Bearer loa_...`.")
    return db.read(find_caller, credentials.credentials)


Who = Annotated[Caller, Depends(get_caller)]
After = Annotated[int, Query(ge=0, description="the `next` of the page before; 0 for the first page")]
Limit = Annotated[int, Query(ge=1, le=1000, description="rows on a page")]

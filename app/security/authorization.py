"""Authorization of every request: identify the caller, then check role, second factor and tenant scope."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import cast

from fastapi import Request
from fastapi.security.utils import get_authorization_scheme_param
from sqlalchemy import Connection
from starlette.types import Scope

from app.core.config import Settings
from app.core.errors import DatabaseUnavailable, Unauthorised
from app.database.connection import Database
from app.security import keys, roles, sessions, totp
from app.security.principal import Caller
from app.security.roles import OPEN, PAGE, PAGE_DOES
from app.security.sessions import Lifetime
from app.security.tenant_scope import CARRIER, require_named

CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf"
OWED = "loa_csrf_owed"  # key in a request's scope: the session whose token the upload must still repeat
# Forms with a file. app/api/uploads.py checks their token before it reads the file.
_STREAMED = frozenset(
    f"{PAGE_DOES}{name}"
    for name in ("upload_batch", "upload_receipt_file", "keep_signed_paper", "set_sender_name_paper")
)
# A screen on a wall has no session that could end at night: a key in this cookie opens these pages alone.
WALL = "loa_wall"
_WALL_PAGES = ("page_wall", "page_wall_events")
_SAFE = ("GET", "HEAD", "OPTIONS")
_NONE = "Send an API key as `Authorization: Bearer loa_...`, or sign in with POST /v1/session."


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """The operation and the credentials: a key, or a session token and, for a change, its CSRF token.

    kept: the key is the wall screen's cookie, which the session stands in for once the key has ended.
    """

    operation: str
    path_names: dict[str, str]
    carriers: list[str]
    key: str | None
    token: str | None
    csrf: str | None
    lifetime: Lifetime
    factor_roles: Collection[str]
    kept: bool = False


# What records the use of a key or session, and its number; None while the last use is recent.
Use = tuple[Callable[[Connection, int], None], int] | None


def cookie_name(settings: Settings, name: str = "loa_session") -> str:
    """Return a cookie's name. Browsers accept __Host- cookies for this exact host over TLS only."""
    return name if settings.environment == "development" else f"__Host-{name}"


def lifetime_of(settings: Settings) -> Lifetime:
    return Lifetime(timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours))


async def permit(request: Request) -> Caller | None:
    """Return the permitted caller, or None for a public operation. Every route of Loa depends on this."""
    operation = str(request.scope["route"].name)
    if operation in OPEN:
        return None
    db = cast(Database, request.app.state.db)
    asked = _asked(request, operation)
    if asked.key is None and asked.token is None:
        raise Unauthorised(_NONE)
    caller, due = await db.aread(_admit, asked, request.scope)
    await _record(db, due)
    if operation.startswith(PAGE) and request.method not in _SAFE and asked.key is None:
        # Read the form only once its sender is known to be allowed to send it.
        await _require_token(request, operation, asked.token or "")
    return caller


async def still_admitted(request: Request) -> bool:
    """Return whether the credentials that opened a stream are still valid; does not count as a use."""
    asked = replace(_asked(request, ""), csrf=None)
    db = cast(Database, request.app.state.db)
    try:
        await db.aread(_identify, asked)
    except Unauthorised:
        return False
    return True


async def require_still(request: Request) -> None:
    """Raise as `permit` does while a body comes that takes its time: rights may have ended meanwhile.

    It counts as a use, so that nobody's session is over for being idle while a file comes in.
    """
    operation = str(request.scope["route"].name)
    asked, db = replace(_asked(request, operation), csrf=None), cast(Database, request.app.state.db)
    _, due = await db.aread(_admit, asked, {})
    await _record(db, due)


async def _record(db: Database, use: Use) -> None:
    """Record the use; a database that takes no changes can still be looked at, and says what is wrong."""
    if use is not None:
        touch, number = use
        with suppress(DatabaseUnavailable):
            await db.awrite(touch, number)


async def _require_token(request: Request, operation: str, token: str) -> None:
    """Raise CsrfRefused unless the form repeats the session's token; streamed forms are checked later."""
    if operation in _STREAMED and request.headers.get("content-type", "").startswith("multipart/"):
        request.scope[OWED] = token
        return
    sessions.require_csrf(token, str((await request.form()).get(CSRF_FIELD, "")))


def _asked(request: Request, operation: str) -> AccessRequest:
    settings = cast(Settings, request.app.state.settings)
    scheme, key = get_authorization_scheme_param(request.headers.get("authorization"))
    kept = not key and request.scope["route"].name in _WALL_PAGES
    if kept:
        scheme, key = "bearer", request.cookies.get(cookie_name(settings, WALL), "")
    return AccessRequest(
        operation,
        {name: str(value) for name, value in request.path_params.items()},
        request.query_params.getlist(CARRIER),
        key if scheme.lower() == "bearer" and key else None,
        request.cookies.get(cookie_name(settings)),
        None
        if request.method in _SAFE or operation.startswith(PAGE)
        else request.headers.get(CSRF_HEADER, ""),
        lifetime_of(settings),
        settings.factor_roles,
        kept,
    )


def _admit(connection: Connection, request: AccessRequest, scope: Scope) -> tuple[Caller, Use]:
    """Return the caller, and the key or session whose use is to be recorded; raises if refused.

    scope: receives the caller before anything is refused, for the log and the error page.
    """
    caller, due = _identify(connection, request)
    scope["caller"], scope["admitted"] = caller.name, caller
    roles.require(caller.role, request.operation)
    totp.require(caller, request.operation.removeprefix(PAGE_DOES), request.factor_roles)
    require_named(connection, caller, request.path_names, request.carriers)
    return caller, due


def _identify(connection: Connection, request: AccessRequest) -> tuple[Caller, Use]:
    if request.key is not None:
        try:
            found = keys.find(connection, request.key)
        except Unauthorised:
            if not request.kept or request.token is None:
                raise
        else:
            return found.caller, (keys.touch, found.key_id) if found.due else None
    session = sessions.find_session(connection, request.token or "", request.lifetime)
    if request.csrf is not None:
        sessions.require_csrf(request.token or "", request.csrf)
    return session.caller, (sessions.touch, session.id) if session.due else None

"""The one door of the API: who calls, whether the role may do this operation, and whether it is its own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import cast

from fastapi import Request
from fastapi.security.utils import get_authorization_scheme_param
from sqlalchemy import Connection
from starlette.types import Scope

from app.core.config import Settings
from app.core.errors import Forbidden, Unauthorised
from app.database.connection import Database
from app.security import keys, sessions, totp
from app.security.principal import Caller
from app.security.roles import OPEN, PAGE, PAGE_DOES, may
from app.security.sessions import Lifetime
from app.security.tenant_scope import require_named

CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf"
OWED = "loa_csrf_owed"  # where a request's scope has the session whose token its upload must repeat
# Forms with a file: the verb reads them, and app/api/uploads.py asks for the token before the file.
_STREAMED = ("page_do_upload_batch", "page_do_upload_receipt_file")
_SAFE = ("GET", "HEAD", "OPTIONS")
_NONE = "Send an API key as `Authorization: Bearer loa_...`, or sign in with POST /v1/session."


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What is asked for and with what: a key, or a session's token and, for a change, its CSRF token."""

    operation: str
    numbers: dict[str, str]
    key: str | None
    token: str | None
    csrf: str | None
    lifetime: Lifetime
    factor_roles: Collection[str]


def cookie_name(settings: Settings, name: str = "loa_session") -> str:
    """A cookie of ours. __Host-: browsers take it from this very host over TLS only, for no other."""
    return name if settings.environment == "development" else f"__Host-{name}"


def lifetime_of(settings: Settings) -> Lifetime:
    """How long a session lives."""
    return Lifetime(timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours))


async def permit(request: Request) -> Caller | None:
    """The caller, who may do this; None for an operation that is open. Every route of Loa depends on this."""
    operation = str(request.scope["route"].name)
    if operation in OPEN:
        return None
    db = cast(Database, request.app.state.db)
    asked = _asked(request, operation)
    if asked.key is None and asked.token is None:
        raise Unauthorised(_NONE)
    caller, due = await db.aread(_admit, asked, request.scope)
    if due is not None:
        touch = keys.touch if asked.key is not None else sessions.touch
        await db.awrite(touch, due)
    if operation.startswith(PAGE) and request.method not in _SAFE and asked.key is None:
        # A form is read after its sender is known to be allowed to send it.
        await _require_token(request, operation, asked.token or "")
    return caller


async def still_admitted(request: Request) -> bool:
    """Whether the key or session that a long answer was opened with is still good; it is not used by this."""
    asked = replace(_asked(request, ""), csrf=None)
    db = cast(Database, request.app.state.db)
    try:
        await db.aread(_identify, asked)
    except Unauthorised:
        return False
    return True


async def _require_token(request: Request, operation: str, token: str) -> None:
    """CsrfRefused unless the form repeats the session's token; that of a streamed form is asked for later."""
    if operation in _STREAMED and request.headers.get("content-type", "").startswith("multipart/"):
        request.scope[OWED] = token
        return
    sessions.require_csrf(token, str((await request.form()).get(CSRF_FIELD, "")))


def _asked(request: Request, operation: str) -> AccessRequest:
    settings = cast(Settings, request.app.state.settings)
    scheme, key = get_authorization_scheme_param(request.headers.get("authorization"))
    return AccessRequest(
        operation,
        {name: str(value) for name, value in request.path_params.items()},
        key if scheme.lower() == "bearer" and key else None,
        request.cookies.get(cookie_name(settings)),
        None
        if request.method in _SAFE or operation.startswith(PAGE)
        else request.headers.get(CSRF_HEADER, ""),
        lifetime_of(settings),
        settings.factor_roles,
    )


def _admit(connection: Connection, asked: AccessRequest, scope: Scope) -> tuple[Caller, int | None]:
    """The caller, and the key or session whose use should be written down; refused in words.

    scope: is told who it is, for the log and the page of errors, before anything is refused.
    """
    caller, due = _identify(connection, asked)
    scope["caller"], scope["admitted"] = caller.name, caller
    if not may(caller.role, asked.operation):
        raise Forbidden(f"This is not for the role {caller.role}; ask somebody whose role may do it.")
    totp.require(caller, asked.operation.removeprefix(PAGE_DOES), asked.factor_roles)
    require_named(connection, caller, asked.numbers)
    return caller, due


def _identify(connection: Connection, asked: AccessRequest) -> tuple[Caller, int | None]:
    """By the key where there is one, else by the session."""
    if asked.key is not None:
        found = keys.find(connection, asked.key)
        return found.caller, found.key_id if found.due else None
    session = sessions.find_session(connection, asked.token or "", asked.lifetime)
    if asked.csrf is not None:
        sessions.require_csrf(asked.token or "", asked.csrf)
    return session.caller, session.id if session.due else None

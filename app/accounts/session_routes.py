"""API routes of the caller: sign in and out, who am I, password, second factor, sessions."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import Depends, Path, Request, Response
from sqlalchemy import Connection

from app.accounts import service
from app.accounts.schemas import (
    CodeBody,
    EndBody,
    Enrolment,
    LoginBody,
    Me,
    PasswordBody,
    PresentBody,
    RecoveryCodes,
)
from app.api.client_address import peer_of
from app.api.dependencies import Config, Db, Routes, Who
from app.api.security_headers import FORGET
from app.core.config import Settings
from app.core.errors import Forbidden
from app.database.connection import Database
from app.security import login, sessions
from app.security.authorization import cookie_name, lifetime_of
from app.security.login import Login
from app.security.passwords import hash_password
from app.security.secret_encryption import vault_of
from app.security.sessions import OpenSession

router = Routes(prefix="/v1", tags=["access"])


async def get_address(request: Request, settings: Config) -> str:
    """Return the caller's address, as far as trusted proxies report it."""
    connected = request.client.host if request.client else ""
    return peer_of(connected, request.headers.get("x-forwarded-for", ""), settings.trusted_proxies)


Address = Annotated[str, Depends(get_address)]


class Present(NamedTuple):
    """A user with a session; a key has neither password nor second factor."""

    name: str
    address: str


async def get_person(who: Who, address: Address) -> Present:
    """Return the user. Raises Forbidden for the holder of a key."""
    if not who.person:
        raise Forbidden("Only signed-in users can do this; API keys cannot.")
    return Present(who.name, address)


async def get_token(request: Request, settings: Config) -> str:
    return request.cookies.get(cookie_name(settings), "")


Token = Annotated[str, Depends(get_token)]
Name = Annotated[str, Path(max_length=80, examples=["lan"])]
Person = Annotated[Present, Depends(get_person)]


@router.post("/session", status_code=201)
def log_in(
    body: LoginBody, db: Db, settings: Config, address: Address, request: Request, response: Response
) -> Me:
    """Sign in: sets the session's cookie, and returns the CSRF token that goes with it.

    Whatever is wrong gets the same answer. After some failures there are growing pauses: 429 with
    Retry-After.
    """
    said = Login(body.name, body.password.get_secret_value(), body.code)
    token = login.log_in(db, said, address, lifetime_of(settings), vault_of(settings))
    request.scope["caller"] = said.name  # only now: who fails may have typed the password as the name
    db.write(sessions.end_session, request.cookies.get(cookie_name(settings), ""))
    set_cookie(response, settings, token)
    return _me(db, settings, token)


@router.delete("/session", status_code=204)
def log_out(request: Request, db: Db, settings: Config, who: Who, response: Response) -> None:
    """Sign out: the session ends at once."""
    db.write(sessions.end_session, request.cookies.get(cookie_name(settings), ""))
    set_cookie(response, settings, "", max_age=0)
    response.headers.update(FORGET)


@router.get("/me")
def get_me(request: Request, db: Db, settings: Config, who: Who) -> Me:
    """Get who the caller is, and for a session its CSRF token and when it ends."""
    if who.person:
        return _me(db, settings, request.cookies.get(cookie_name(settings), ""))
    return Me(
        name=who.name, role=who.role, carrier=who.carrier, csrf_token=None, ends_at=None, must_enrol=False
    )


@router.put("/me/password")
def change_password(body: PasswordBody, db: Db, settings: Config, person: Person, response: Response) -> Me:
    """Change the password. Every session ends; the answer sets the cookie of a new one."""
    said = Login(person.name, body.present.get_secret_value(), body.code)
    login.check_again(db, said, person.address, vault_of(settings))
    hashed = hash_password(body.new.get_secret_value(), person.name, settings.password_words)
    db.write(service.set_hashed, person.name, hashed, person.name)
    token = db.write(sessions.open_for, person.name, lifetime_of(settings), person.address)
    set_cookie(response, settings, token)
    return _me(db, settings, token)


@router.post("/me/totp", status_code=201)
def enrol_totp(body: PresentBody, db: Db, settings: Config, person: Person) -> Enrolment:
    """Create a secret for an authenticator app, shown only once; it counts once a code has confirmed it."""
    db.read(service.check_no_factor, person.name)
    vault = vault_of(settings)
    login.check_again(db, Login(person.name, body.password.get_secret_value()), person.address, vault)
    secret, uri = db.write(service.enrol, person.name, person.name, vault)
    return Enrolment(secret=secret, uri=uri)


@router.post("/me/totp/confirm")
def confirm_totp(body: CodeBody, db: Db, settings: Config, person: Person, token: Token) -> RecoveryCodes:
    """Require a code at sign-in from now on; returns recovery codes, shown only once, for a lost phone.

    Every other session of the user ends. After some wrong codes there are growing pauses: 429.
    """

    def confirm(connection: Connection) -> list[str]:
        return service.confirm(connection, person.name, body.code, person.name, vault_of(settings), token)

    codes = login.confirm_factor(db, person.name, person.address, confirm)
    return RecoveryCodes(recovery_codes=codes)


@router.get("/me/sessions")
def list_sessions(db: Db, settings: Config, person: Person, token: Token) -> list[OpenSession]:
    """List the caller's valid sessions, newest first; `current` is the one that asks."""
    return db.read(sessions.sessions_of, person.name, token, lifetime_of(settings))


@router.post("/me/sessions/end", status_code=204)
def end_sessions(body: EndBody, db: Db, settings: Config, person: Person, token: Token) -> None:
    """End some of the caller's sessions, or all but this one. Repeating it changes nothing."""
    said = Login(person.name, body.password.get_secret_value(), body.code)
    login.check_again(db, said, person.address, vault_of(settings))
    keep = "" if body.sessions is not None else token
    db.write(service.end_sessions, person.name, person.name, keep, body.sessions)


def _me(db: Database, settings: Settings, token: str) -> Me:
    found = db.read(sessions.find_session, token, lifetime_of(settings))
    who, csrf = found.caller, sessions.csrf_token(token)
    must = not who.factor and who.role in settings.factor_roles
    me = {"name": who.name, "role": who.role, "carrier": who.carrier, "must_enrol": must}
    return Me(csrf_token=csrf, ends_at=found.ends_at, **me)


def set_cookie(response: Response, settings: Settings, token: str, max_age: int | None = None) -> None:
    """Set the session cookie; without max_age the browser drops it when it closes."""
    secure = settings.environment != "development"
    name = cookie_name(settings)
    response.set_cookie(name, token, max_age=max_age, secure=secure, httponly=True, samesite="lax")

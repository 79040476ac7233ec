"""Sign-in with name, password and second factor, throttled, with one answer for everything wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from app.core.errors import Unauthorised
from app.database.connection import Database
from app.database.models import people as table
from app.security import account_stamps, login_throttle, totp, users
from app.security.login_throttle import Attempt, TooManyAttempts
from app.security.passwords import hash_again, is_outdated, is_password
from app.security.secret_encryption import Vault
from app.security.sessions import Lifetime, open_session

T = TypeVar("T")
log = structlog.get_logger(__name__)

_WRONG = "The name, password or second-factor code is wrong."


@dataclass(frozen=True, slots=True)
class Login:
    """What a person enters to sign in; never logged or shown by repr."""

    name: str
    password: str
    code: str | None = None

    def __repr__(self) -> str:
        return "Login(...)"


def log_in(db: Database, login: Login, address: str, lifetime: Lifetime, vault: Vault) -> str:
    """Return the token of a new session; Unauthorised or TooManyAttempts, whether or not the name exists."""
    attempt = Attempt(login.name, address)
    _begin(db, attempt)
    row = db.read(users.find_row, login.name)
    # Hash outside any transaction: it is slow by design.
    known = row is not None and row.disabled_at is None
    right = is_password(row.password_hash if row is not None and known else None, login.password)
    token = db.write(_check_and_open, login, attempt, lifetime, vault) if right else None
    if token is None:
        log.warning("a sign-in was refused", address=address)  # no name: people type passwords there
        raise Unauthorised(_WRONG)
    if row is not None and is_outdated(row.password_hash):
        db.write(users.renew_hash, login.name, row.password_hash, hash_again(login.password))
    log.info("a user signed in", person=login.name, address=address)
    return token


def _begin(db: Database, attempt: Attempt) -> None:
    wait_s = db.write(login_throttle.begin, attempt)
    if wait_s:
        log.warning("too many sign-in attempts", address=attempt.address)
        raise TooManyAttempts(
            "Too many failed attempts. Try again in {seconds} seconds.", seconds=wait_s, retry_after_s=wait_s
        )


def _check_and_open(
    connection: Connection, login: Login, attempt: Attempt, lifetime: Lifetime, vault: Vault
) -> str | None:
    """Check the second factor and open a session, or return None."""
    row = users.row_of(connection, login.name)
    if row.disabled_at is not None or not account_stamps.admits(connection, table, row):
        return None
    if not totp.passes(connection, row, login.code, vault):
        return None
    login_throttle.succeed(connection, attempt)
    return open_session(connection, row.id, lifetime, attempt.address)


def check_again(db: Database, login: Login, address: str, vault: Vault) -> None:
    """Check password and second factor again, for changes that a stolen session must not make."""
    attempt = Attempt(login.name, address)
    _begin(db, attempt)
    right = is_password(db.read(users.row_of, login.name).password_hash, login.password)
    if not right or not db.write(_passes, login, attempt, vault):
        raise Unauthorised("The current password or second-factor code is wrong.")


def confirm_factor(db: Database, name: str, address: str, confirm: Callable[[Connection], T]) -> T:
    """Return the result of `confirm`, which checks a code; wrong codes are throttled like failed sign-ins."""
    attempt = Attempt(name, address)
    _begin(db, attempt)

    def work(connection: Connection) -> T:
        found = confirm(connection)
        login_throttle.succeed(connection, attempt)
        return found

    return db.write(work)


def _passes(connection: Connection, login: Login, attempt: Attempt, vault: Vault) -> bool:
    if not totp.passes(connection, users.row_of(connection, login.name), login.code, vault):
        return False
    login_throttle.succeed(connection, attempt)
    return True

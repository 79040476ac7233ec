"""Sessions of people: a random token in a cookie, stored hashed, ended by idling, age or revocation."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, or_, select, update

from app.core import clock
from app.core.errors import Forbidden, Unauthorised
from app.database.models import people, sessions
from app.security import account_stamps
from app.security.keys import TOUCH_MS
from app.security.principal import Caller

_ADDRESS = 45  # longest written IPv6 address
_OVER = "Your session has expired. Sign in again."


class CsrfRefused(Forbidden):
    """A change made with a session cookie needs the session's CSRF token.

    Send the `csrf_token` of the sign-in (or of `GET /v1/me`) as `X-CSRF-Token`. API keys need none.
    """

    slug, title = "csrf", "The X-CSRF-Token is missing or wrong"


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a session lives: without a request, and at most."""

    idle: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Session:
    """A valid session. due: its last use should be recorded."""

    id: int
    caller: Caller
    ends_at: datetime
    due: bool


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session as shown to its person. address: of the sign-in; current: the one making the request."""

    id: int
    address: str
    created_at: datetime
    seen_at: datetime
    current: bool


def open_session(connection: Connection, person_id: int, lifetime: Lifetime, address: str = "") -> str:
    """Open a session and return its token `loas_...`, to be handed out once; deletes expired sessions."""
    now, token = clock.now_ms(), f"loas_{secrets.token_urlsafe(32)}"
    idle, oldest = _limits(lifetime, now)
    connection.execute(
        delete(sessions).where(or_(sessions.c.seen_at <= idle, sessions.c.created_at <= oldest))
    )
    row = {"person_id": person_id, "token_hash": _hash(token), "created_at": now, "seen_at": now}
    row["address"] = address[:_ADDRESS]
    connection.execute(sessions.insert().values(row))
    account_stamps.write(connection, sessions, sessions.c.token_hash == row["token_hash"])
    return token


def open_for(connection: Connection, name: str, lifetime: Lifetime, address: str = "") -> str:
    query = select(people.c.id).where(people.c.name == name)
    return open_session(connection, connection.execute(query).scalar_one(), lifetime, address)


def find_session(connection: Connection, token: str, lifetime: Lifetime) -> Session:
    """Return the session of this token. Raises the same Unauthorised for every invalid token."""
    now, s, p = clock.now_ms(), sessions.c, people.c
    idle, oldest = _limits(lifetime, now)
    query = select(sessions).where(s.token_hash == _hash(token), s.seen_at > idle, s.created_at > oldest)
    row = connection.execute(query).first()
    known = select(people).where(p.id == (row.person_id if row else 0), p.disabled_at.is_(None))
    person = connection.execute(known).first() if row else None
    if row is None or person is None or not _genuine(connection, row, person):
        raise Unauthorised(_OVER)
    ends_at = clock.from_ms(row.created_at) + lifetime.longest
    factor = person.totp_since is not None
    caller = Caller(person.name, person.role, person.carrier, person=True, factor=factor)
    often = min(TOUCH_MS, lifetime.idle.total_seconds() * 1000 / 4)
    return Session(row.id, caller, ends_at, now - row.seen_at >= often)


def _genuine(connection: Connection, row: Row[Any], person: Row[Any]) -> bool:
    """Return whether Loa wrote both rows: nobody inserted the session or changed the person's role."""
    return account_stamps.admits(connection, sessions, row) and account_stamps.admits(
        connection, people, person
    )


def touch(connection: Connection, session_id: int) -> None:
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(seen_at=clock.now_ms()))


def end_session(connection: Connection, token: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.token_hash == _hash(token)))


def sessions_of(connection: Connection, name: str, token: str, lifetime: Lifetime) -> list[OpenSession]:
    """Return a person's valid sessions, newest first; token: the one making the request."""
    s, (idle, oldest) = sessions.c, _limits(lifetime, clock.now_ms())
    query = select(s.id, s.address, s.created_at, s.seen_at, s.token_hash).join(
        people, s.person_id == people.c.id
    )
    query = query.where(people.c.name == name, s.seen_at > idle, s.created_at > oldest).order_by(s.id.desc())
    own = _hash(token)
    return [
        OpenSession(
            row.id,
            row.address,
            clock.from_ms(row.created_at),
            clock.from_ms(row.seen_at),
            hmac.compare_digest(bytes(row.token_hash), own),
        )
        for row in connection.execute(query)
    ]


def end_all(
    connection: Connection, person_id: int, keep: str = "", only: Collection[int] | None = None
) -> int:
    """End a person's sessions, all or only these; return how many ended. keep: a token to spare."""
    ending = delete(sessions).where(sessions.c.person_id == person_id, sessions.c.token_hash != _hash(keep))
    if only is not None:
        ending = ending.where(sessions.c.id.in_(only))
    return connection.execute(ending).rowcount


def csrf_token(token: str) -> str:
    """Return the X-CSRF-Token of a session; a foreign page can't know it, since it can't read responses."""
    return f"loac_{hashlib.sha256(f'csrf:{token}'.encode()).hexdigest()}"


def require_csrf(token: str, given_token: str) -> None:
    if not hmac.compare_digest(csrf_token(token).encode(), given_token.encode()):
        raise CsrfRefused(
            "The CSRF token is missing or wrong. Send the csrf_token of the sign-in "
            "(or of GET /v1/me) as X-CSRF-Token."
        )


def _limits(lifetime: Lifetime, now: int) -> tuple[int, int]:
    idle, longest = lifetime.idle.total_seconds() * 1000, lifetime.longest.total_seconds() * 1000
    return now - round(idle), now - round(longest)


def _hash(token: str) -> bytes:
    # The token has 256 random bits, so a fast hash is safe.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

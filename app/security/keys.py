"""API keys: random, shown once, stored hashed; with expiry, rotation with an overlap, and revocation."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert, or_, select, update

from app.core import clock
from app.core.errors import Conflict, Invalid, Unauthorised, no_such
from app.database.models import api_keys
from app.security import account_stamps
from app.security.credential_provenance import givers
from app.security.principal import Caller, check_name, check_role
from carriers.phrases import Phrase

TOUCH_MS = 60_000  # last use of keys and sessions is recorded to the minute, to save a commit per request
LONGEST_OVERLAP = timedelta(days=30)
_PREFIX_LENGTH = 8
MARK = "loa_"
_UNKNOWN = "This API key is unknown. Send a valid one as `Authorization: Bearer loa_...`."


@dataclass(frozen=True, slots=True)
class ApiKeyView:
    """A key without its secret. previous_until: how long its previous secret remains valid."""

    name: str
    prefix: str
    role: str
    carrier: str | None
    made_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    previous_until: datetime | None
    revoked_at: datetime | None

    @property
    def begins(self) -> str:
        """The part of the key before its secret, by which its owner recognizes it."""
        return f"{MARK}{self.prefix}_"


class KeyMatch(NamedTuple):
    """A caller; due: its last use should be recorded."""

    caller: Caller
    key_id: int
    due: bool


def create_key(
    connection: Connection,
    name: str,
    role: str = "admin",
    carrier: str | None = None,
    *,
    expires_at: datetime | None = None,
    made_by: str = "",
) -> str:
    """Create a key and return `loa_<prefix>_<secret>`, to be shown once; Conflict if the name is taken."""
    check_name(connection, name, "key")
    check_role(role, carrier)
    expires = _expiry(expires_at)
    prefix, secret = _new_secret()
    row = {"name": name, "prefix": prefix, "secret_hash": _hash(secret), "role": role, "carrier": carrier}
    when: dict[str, Any] = {"made_by": made_by, "expires_at": expires, "created_at": clock.now_ms()}
    when["behind"] = sorted(givers(connection, made_by))
    connection.execute(insert(api_keys).values(row | when))
    account_stamps.write(connection, api_keys, api_keys.c.name == name)
    return f"{MARK}{prefix}_{secret}"


def rotate_key(connection: Connection, name: str, overlap: timedelta, given_by: str = "") -> str:
    """Give the key a new secret and return it, to be shown once; the previous one lasts for `overlap`.

    Older secrets end now. NotFound, or Conflict if the key is revoked or expired. given_by: who sees the
    secret and so stands behind the key, along with those whose secret remains valid.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Invalid(
            "The overlap must be between 0 hours and {days} days.", days=LONGEST_OVERLAP.days, field="overlap"
        )
    row, now = _named(connection, name), clock.now_ms()
    if not account_stamps.holds(connection, api_keys, row):
        raise Conflict("The key {name} was modified outside Loa. Revoke it.", name=name, field="name")
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise Conflict(
            "{name}'s API key has expired. Create a new key under a different name.", name=name, field="name"
        )
    prefix, secret = _new_secret()
    until = now + round(overlap.total_seconds() * 1000)
    if row.expires_at is not None:
        until = min(until, row.expires_at)
    values = {"prefix": prefix, "secret_hash": _hash(secret), "previous_until": until}
    values |= {"previous_prefix": row.prefix, "previous_hash": row.secret_hash}
    values["behind"] = sorted(givers(connection, given_by).union(row.behind if overlap else ()))
    as_read = (api_keys.c.id == row.id, api_keys.c.prefix == row.prefix)
    if not connection.execute(update(api_keys).where(*as_read).values(values)).rowcount:
        return rotate_key(connection, name, overlap, given_by)  # another rotation was committed meanwhile
    account_stamps.write(connection, api_keys, api_keys.c.id == row.id)
    return f"{MARK}{prefix}_{secret}"


def find_caller(connection: Connection, key: str) -> Caller:
    return find(connection, key).caller


def find(connection: Connection, key: str) -> KeyMatch:
    """Return the holder of this key. Raises the same Unauthorised for every kind of wrong key."""
    prefix, _, secret = key.removeprefix(MARK).partition("_")
    if not key.startswith(MARK) or not prefix.isascii() or not prefix.isalnum() or not secret.isascii():
        raise Unauthorised(_UNKNOWN)  # PostgreSQL accepts no NUL, and hashing no surrogates
    c, now = api_keys.c, clock.now_ms()
    query = select(api_keys).where(
        or_(c.prefix == prefix, c.previous_prefix == prefix), c.revoked_at.is_(None)
    )
    row = connection.execute(query).first()
    if row is None or not hmac.compare_digest(_good_hash(row, prefix, now), _hash(secret)):
        raise Unauthorised(_UNKNOWN)
    if not account_stamps.admits(connection, api_keys, row):
        raise Unauthorised(_UNKNOWN)
    caller = Caller(row.name, row.role, row.carrier)
    return KeyMatch(caller, row.id, row.last_used_at is None or now - row.last_used_at >= TOUCH_MS)


def _good_hash(row: Row[Any], prefix: str, now: int) -> bytes:
    """Return what the secret must hash to; empty if it has expired."""
    if row.expires_at is not None and row.expires_at <= now:
        return b""
    if row.prefix == prefix:
        return bytes(row.secret_hash)
    return bytes(row.previous_hash) if row.previous_until > now else b""


def touch(connection: Connection, key_id: int) -> None:
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=clock.now_ms()))


def list_keys(connection: Connection) -> list[ApiKeyView]:
    """Return all keys, revoked ones included, in order of creation."""
    return [_key(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.id))]


def get_key(connection: Connection, name: str) -> ApiKeyView:
    return _key(_named(connection, name))


def revoke_key(connection: Connection, name: str) -> None:
    """Revoke a key at once; repeating does nothing. NotFound if there is none of this name."""
    _named(connection, name)
    valid = (api_keys.c.name == name, api_keys.c.revoked_at.is_(None))
    if connection.execute(update(api_keys).where(*valid).values(revoked_at=clock.now_ms())).rowcount:
        account_stamps.write(connection, api_keys, api_keys.c.name == name)


def _named(connection: Connection, name: str) -> Row[Any]:
    row = connection.execute(select(api_keys).where(api_keys.c.name == name)).first()
    if row is None:
        raise no_such("key", Phrase("named {name}", name=name), field="name")
    return row


def _key(row: Row[Any]) -> ApiKeyView:
    return ApiKeyView(
        row.name,
        row.prefix,
        row.role,
        row.carrier,
        row.made_by,
        clock.from_ms(row.created_at),
        _time(row.expires_at),
        _time(row.last_used_at),
        _time(row.previous_until),
        _time(row.revoked_at),
    )


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else clock.from_ms(ms)


def _expiry(at: datetime | None) -> int | None:
    if at is None:
        return None
    if at <= clock.now():
        raise Invalid(
            "The expiry time is in the past. Choose a later time, with its time zone.", field="expires_at"
        )
    return clock.to_ms(at)


def _new_secret() -> tuple[str, str]:
    return secrets.token_hex(_PREFIX_LENGTH // 2), secrets.token_urlsafe(32)


def _hash(secret: str) -> bytes:
    # The secret has 256 random bits, so a fast hash is safe.
    return hashlib.sha256(secret.encode()).digest()

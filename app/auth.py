"""Who calls: API keys, random, shown once and stored hashed."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from app import clock
from app.errors import Conflict, NotFound, Unauthorised
from app.models import api_keys

_PREFIX_LENGTH = 8
_UNKNOWN = "This API key is not known. Send a valid one as `Authorization: Bearer loa_...`."


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a key; `carrier` is set for an operator of one carrier."""

    name: str
    role: str
    carrier: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it may be shown: never its secret."""

    name: str
    prefix: str
    role: str
    carrier: str | None
    created_at: datetime
    revoked_at: datetime | None


def create_key(connection: Connection, name: str, role: str = "admin", carrier: str | None = None) -> str:
    """A new key `loa_<prefix>_<secret>`, to be shown this once; Conflict where the name is taken."""
    if connection.execute(select(api_keys.c.id).where(api_keys.c.name == name)).first():
        raise Conflict(f"A key named {name} exists already; choose another name.", field="name")
    prefix, secret = secrets.token_hex(_PREFIX_LENGTH // 2), secrets.token_urlsafe(32)
    connection.execute(
        insert(api_keys).values(
            name=name,
            prefix=prefix,
            secret_hash=_hash(secret),
            role=role,
            carrier=carrier,
            created_at=clock.now_ms(),
        )
    )
    return f"loa_{prefix}_{secret}"


def find_caller(connection: Connection, key: str) -> Caller:
    """The holder of this key, or Unauthorised; the same answer for every kind of wrong key."""
    _, _, rest = key.partition("loa_")
    prefix, _, secret = rest.partition("_")
    if not prefix.isascii() or not prefix.isalnum() or not secret.isascii():
        raise Unauthorised(_UNKNOWN)  # PostgreSQL takes no NUL, and a hash no half characters
    query = select(api_keys).where(api_keys.c.prefix == prefix, api_keys.c.revoked_at.is_(None))
    row = connection.execute(query).first()
    if row is None or not hmac.compare_digest(row.secret_hash, _hash(secret)):
        raise Unauthorised(_UNKNOWN)
    return Caller(row.name, row.role, row.carrier)


def list_keys(connection: Connection) -> list[Key]:
    """All keys, the revoked ones too, in the order in which they were made."""
    return [
        Key(
            row.name,
            row.prefix,
            row.role,
            row.carrier,
            clock.from_ms(row.created_at),
            None if row.revoked_at is None else clock.from_ms(row.revoked_at),
        )
        for row in connection.execute(select(api_keys).order_by(api_keys.c.id))
    ]


def revoke_key(connection: Connection, name: str) -> None:
    """End a key at once; again does nothing. NotFound where there is none of this name."""
    if connection.execute(select(api_keys.c.id).where(api_keys.c.name == name)).first() is None:
        raise NotFound(f"There is no key named {name}.", field="name")
    valid = (api_keys.c.name == name, api_keys.c.revoked_at.is_(None))
    connection.execute(update(api_keys).where(*valid).values(revoked_at=clock.now_ms()))


def _hash(secret: str) -> bytes:
    # The secret has 256 random bits, so a fast hash is enough: there is nothing to guess.
    return hashlib.sha256(secret.encode()).digest()

"""Responses stored by Idempotency-Key, written in the same transaction as the action."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from app.core import clock
from app.core.errors import AppError
from app.core.masking import holds_mobile
from app.database.connection import one_at_a_time
from app.database.models import idempotency_keys

# Instead of a status: the response was not stored, and the body is a sentence that says why; or there is none
# yet, and the body says how far an action in slices has come.
_UNSTORED, _UNDER_WAY = 0, 1
_SWEPT = 1000  # rows per transaction, so that the sweep never blocks the writer for long


class KeyReused(AppError):
    """The `Idempotency-Key` was already used with a different address or body.

    Use a new key for each request. To repeat a request, send it unchanged.
    """

    status, slug, title = 422, "key-reused", "The key was used for another request"


class DoneBefore(AppError):
    """The request was already carried out under this `Idempotency-Key`, and its answer contained a secret
    that is shown only once.

    `detail` says what was created. If the secret never reached you, rotate the key under a new `Idempotency-
    Key`.
    """

    status, slug, title = 409, "done-before", "Carried out before; the secret was shown once"


@dataclass(frozen=True, slots=True)
class IdempotencyClaim:
    """A caller's use of a key; request: SHA-256 of method, address and body in hexadecimal."""

    caller: str
    key: str
    request: str


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A response; headers: those that belong to the action, such as Location."""

    status: int
    headers: dict[str, str]
    body: bytes


def once(
    connection: Connection,
    claim: IdempotencyClaim,
    keep_ms: int,
    act: Callable[[Connection], StoredAnswer],
    secret: str | None = None,
) -> tuple[StoredAnswer, bool]:
    """Carry out the action unless its response is stored; return the response and whether it was stored.

    An action that raises leaves nothing behind and may be repeated. KeyReused if the key was used for another
    request. keep_ms: lifetime of a stored response. secret: for a response that holds a secret, the sentence
    to store instead; a repeated request then raises DoneBefore.
    """
    one_at_a_time(connection, _lock(claim))
    if found := find(connection, claim, keep_ms):
        return found, True
    connection.execute(delete(idempotency_keys).where(*_own(claim)))  # an expired one
    answer = act(connection)
    _store(connection, claim, answer if secret is None else StoredAnswer(_UNSTORED, {}, secret.encode()))
    return answer, False


def _store(connection: Connection, claim: IdempotencyClaim, answer: StoredAnswer) -> None:
    connection.execute(
        insert(idempotency_keys).values(
            caller=claim.caller,
            key=_kept(claim.key),
            request=claim.request,
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            at=clock.now_ms(),
        )
    )


class Answered(Exception):
    """The action was completed under its key meanwhile; answer: its stored response."""

    def __init__(self, answer: StoredAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class PositionUnderKey:
    """Position of an action in slices, kept under its key until its response is; without a key, nowhere."""

    claim: IdempotencyClaim | None = None
    keep_ms: int = 0

    def take(self, connection: Connection) -> list[Any] | None:
        """Return the position, None before the first slice; the same action elsewhere waits for this one.

        Raises Answered where that one has come to its end.
        """
        if self.claim is None:
            return None
        one_at_a_time(connection, _lock(self.claim))
        if found := find(connection, self.claim, self.keep_ms):
            raise Answered(found)
        k = idempotency_keys.c
        mine = (*_own(self.claim), k.status == _UNDER_WAY, k.at >= clock.now_ms() - self.keep_ms)
        body = connection.execute(select(k.body).where(*mine)).scalar()
        return None if body is None else list(json.loads(body))

    def keep(self, connection: Connection, position: Sequence[Any]) -> None:
        if self.claim is not None:
            connection.execute(delete(idempotency_keys).where(*_own(self.claim)))
            _store(connection, self.claim, StoredAnswer(_UNDER_WAY, {}, json.dumps(position).encode()))


def sweep(connection: Connection, keep_ms: int) -> int:
    """Delete expired responses, oldest first; return how many, at most _SWEPT."""
    k = idempotency_keys.c
    old = select(k.caller, k.key).where(k.at < clock.now_ms() - keep_ms)
    rows = connection.execute(old.order_by(k.at).limit(_SWEPT)).all()
    for row in rows:
        connection.execute(delete(idempotency_keys).where(k.caller == row.caller, k.key == row.key))
    return len(rows)


def find(connection: Connection, claim: IdempotencyClaim, keep_ms: int) -> StoredAnswer | None:
    """Return the stored response or None; KeyReused for another request, DoneBefore if it held a secret."""
    row = connection.execute(select(idempotency_keys).where(*_own(claim))).first()
    if row is None or row.at < clock.now_ms() - keep_ms:
        return None
    if row.request != claim.request:
        raise KeyReused(
            "This Idempotency-Key was already used for a different request. Use a new key for each request."
        )
    if row.status == _UNDER_WAY:
        return None
    if row.status == _UNSTORED:
        raise DoneBefore(row.body.decode())
    return StoredAnswer(row.status, row.headers, row.body)


def _own(claim: IdempotencyClaim) -> tuple[ColumnElement[bool], ...]:
    return idempotency_keys.c.caller == claim.caller, idempotency_keys.c.key == _kept(claim.key)


def _kept(key: str) -> str:
    """Return the key as it is stored: of one with a mobile number in it, the digest alone."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}" if holds_mobile(key) else key


def _lock(claim: IdempotencyClaim) -> int:
    """Return the advisory lock number of a caller's key: 8 bytes, signed."""
    digest = hashlib.sha256(f"{claim.caller}\n{claim.key}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)

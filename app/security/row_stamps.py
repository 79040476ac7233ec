"""Stamps: what only a process with the secret_key can write beside a row of the database."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from app.database.connection import keys_of


def make(connection: Connection, content: bytes) -> str | None:
    """The stamp over some bytes by the present key; None where this process has no key."""
    keys = keys_of(connection)
    return _by(keys[0], content) if keys else None


def holds(connection: Connection, content: bytes, stamp: str | None) -> bool:
    """Whether a process with the present key or the one before made it; True where this one has no key."""
    keys = keys_of(connection)
    return not keys or any(hmac.compare_digest(_by(key, content), stamp or "") for key in keys)


def renewed(connection: Connection, content: bytes, stamp: str | None) -> str | None:
    """The stamp by the present key in place of one by the key before; None where it is to stay as it is."""
    fresh = make(connection, content)
    return fresh if fresh != stamp and holds(connection, content, stamp) else None


def canonical(content: Mapping[str, Any]) -> bytes:
    """One spelling for the same content."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _by(key: bytes, content: bytes) -> str:
    return hmac.digest(key, content, "sha256").hex()

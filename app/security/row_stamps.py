"""Row stamps: MACs that only a process with the secret_key can write beside a database row."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from app.database.connection import keys_of


def make(connection: Connection, content: bytes) -> str | None:
    """Return the MAC with the current key; None if this process has no key."""
    keys = keys_of(connection)
    return _by(keys[0], content) if keys else None


def derived(connection: Connection, content: bytes) -> list[str]:
    """Return the MACs with the current and the previous key, as keys for somebody else to sign with."""
    return [_by(key, content) for key in keys_of(connection)]


def holds(connection: Connection, content: bytes, stamp: str | None) -> bool:
    """Return whether the current or previous key made the stamp; True if this process has no key."""
    keys = keys_of(connection)
    return not keys or any(hmac.compare_digest(_by(key, content), stamp or "") for key in keys)


def renewed(connection: Connection, content: bytes, stamp: str | None) -> str | None:
    """Return a stamp with the current key to replace one by the previous key; None if none is needed."""
    fresh = make(connection, content)
    return fresh if fresh != stamp and holds(connection, content, stamp) else None


def canonical(content: Mapping[str, Any]) -> bytes:
    """Encode content so that equal content gives equal bytes."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _by(key: bytes, content: bytes) -> str:
    return hmac.digest(key, content, "sha256").hex()

"""Rows of which the audit has kept a hash, so that one that was changed outside Loa is seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from app.core import hashing
from app.database.models import audit
from app.security.row_stamps import canonical


def sha256(connection: Connection, table: Table, row_id: int) -> str:
    """Hash a row as the database gives it back."""
    return _sha256(connection.execute(select(table).where(table.c.id == row_id)).one())


def _sha256(row: Row[Any]) -> str:
    """Hash all but when it was kept, which the act itself says."""
    return hashing.digest(canonical({name: value for name, value in row._asdict().items() if name != "at"}))


def altered(connection: Connection, action: str, subject: str, rows: Iterable[Row[Any]]) -> list[int]:
    """Return the versions that are not as the acts about the subject have kept them, or have no act.

    None where no act has a hash: they are of an earlier version of Loa, or erased.
    """
    a = audit.c
    query = select(a.detail).where(a.action == action, a.subject == subject)
    kept = {said["version"]: said.get("sha256") for said in connection.execute(query).scalars()}
    if not any(kept.values()):
        return []
    there = {
        row.version: _sha256(row) for row in rows if row.version >= min(kept)
    }  # acts are erased in order
    legacy = {version for version, digest in kept.items() if digest is None}
    return sorted(each for each in (kept.keys() | there) - legacy if kept.get(each) != there.get(each))

"""How submissions are found by the carrier's id: by the id on PostgreSQL, by a hash of it on SQLite.

Carriers' ids are of no order, so each one that is stored changes a page of the index of its own, and pages
are written as a whole. An index of four bytes has a third of the pages of one of whole ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, and_

from app.database.models import submissions

_BYTES = 4


def reference_hash(reference: str) -> int:
    """Return a signed number of 32 bits; no checksum, which would let ids be chosen that all have one."""
    digest = hashlib.blake2b(reference.encode("utf-8", "replace"), digest_size=_BYTES).digest()
    return int.from_bytes(digest, "big", signed=True)


def bears_one_of(connection: Connection, references: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a submission has one of these references, in the form that has an index."""
    s = submissions.c
    named = s.reference.in_(references)
    if connection.dialect.name != "sqlite":
        return named
    return and_(s.reference_hash.in_({reference_hash(one) for one in references}), named)

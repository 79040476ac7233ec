"""How submissions are found by the carrier's id: by the id on PostgreSQL, by a hash of it on SQLite.

Most carriers' ids are of no order, so each one that is stored changes a page of the index of its own, and
pages are written as a whole. An index of six bytes has two fifths of the pages of one of whole ids. Ids that
count up, as others give them, stay together: they differ in their last bytes, which are kept as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from functools import lru_cache

from sqlalchemy import ColumnElement, Connection, and_

from app.database.models import submissions

_HASHED, _KEPT = 4, 2  # bytes of the hash, and of the id behind it


def reference_hash(reference: str) -> int:
    """Return a signed number of 48 bits: a hash of all but the last two bytes, and these.

    No checksum, which would let ids be chosen that all have the same.
    """
    whole = reference.encode("utf-8", "replace")
    return int.from_bytes(_hash(whole[:-_KEPT]) + whole[-_KEPT:].rjust(_KEPT, b"\0"), "big", signed=True)


@lru_cache(maxsize=1024)  # ids that count up share it
def _hash(start: bytes) -> bytes:
    return hashlib.blake2b(start, digest_size=_HASHED).digest()


def bears_one_of(connection: Connection, references: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a submission has one of these references, in the form that has an index."""
    s = submissions.c
    named = s.reference.in_(references)
    if connection.dialect.name != "sqlite":
        return named
    return and_(s.reference_hash.in_({reference_hash(one) for one in references}), named)

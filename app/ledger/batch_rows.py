"""Hashes of the subscribers of a batch, by which an approval binds who gets the text."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, select

from app.database.models import batches, subscribers
from app.ledger.unreached import is_redefined

Pieces = dict[int, bytes]
SLICE = 10_000  # subscribers checked, and queued, at a time


def row_bytes(lines: Sequence[int], phones: Sequence[int], areas: Sequence[str | None]) -> bytes:
    """Return subscribers, given column by column, as the bytes that are hashed: a line of text for each."""
    values: list[Any] = [None] * 3 * len(lines)
    values[0::3], values[1::3] = lines, phones
    values[2::3] = [area or "" for area in areas]
    # All rows at once cost half as much as row by row. %s, not %d: SQLite may hold a fraction or text.
    # The blank at the end is from when rows had a language, so that hashes of lists without any still fit.
    return ("%s %s %s \n" * len(lines) % tuple(values)).encode()


def rows_altered(connection: Connection, batch_id: int) -> bool:
    """Return whether subscribers differ from those imported; takes two seconds for a million."""
    return look(connection, batch_id) is None


def look(connection: Connection, batch_id: int) -> Pieces | None:
    """Hash a batch's subscribers piece by piece, keyed by the line before each; None if they are altered.

    None also if a follow-up's batch has another definition than was approved.
    """
    wanted = connection.execute(select(batches.c.rows_sha256).where(batches.c.id == batch_id)).scalar()
    pieces, found = hash_rows(connection, batch_id)
    return pieces if wanted in (None, found) and not is_redefined(connection, batch_id) else None


def hash_rows(connection: Connection, batch_id: int, but: Collection[int] = ()) -> tuple[Pieces, str]:
    """Return the hashes of a batch's subscribers now, by piece and of all; but: lines left out."""
    found, pieces, after = hashlib.sha256(), Pieces(), 0
    while rows := _piece(connection, batch_id, after):
        read = b""
        if counted := [row for row in rows if row.seq not in but]:
            _, *columns = zip(*counted, strict=True)
            read = row_bytes(*columns)
        found.update(read)
        pieces[after] = hashlib.sha256(read).digest()
        after = rows[-1].seq
    return pieces, found.hexdigest()


def is_piece(connection: Connection, batch_id: int, after: int, pieces: Pieces) -> bool:
    """Return whether the next SLICE subscribers after this line are still those that were hashed."""
    rows = _piece(connection, batch_id, after)
    if not rows:
        return after not in pieces
    _, *columns = zip(*rows, strict=True)
    return pieces.get(after) == hashlib.sha256(row_bytes(*columns)).digest()


def _piece(connection: Connection, batch_id: int, after: int) -> Sequence[Any]:
    s = subscribers.c
    query = select(s.batch_id, s.seq, s.phone, s.area).where(s.batch_id == batch_id, s.seq > after)
    return connection.execute(query.order_by(s.seq).limit(SLICE)).all()

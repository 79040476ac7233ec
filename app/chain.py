"""The audit's rows as a chain: what each hash and each seal is over, and whether it goes on as it was seen.

A process remembers the end of the chain that it has seen or added to. Whoever has only the database can cut
acts off, or put rows back that bear good seals; not so that it fits what a process has seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Text, cast, select

from app import digests, stamps
from app.followed import followed_of, has_noted
from app.heads import Head
from app.models import audit

START = "0" * 64
SAID = ("id", "at", "who", "origin", "action", "subject")
# An act of the audit with its detail as the text that is stored, as hashes and seals are over it.
_STORED = cast(audit.c.detail, Text).label("stored")
ACT = (*(audit.c[name] for name in SAID), _STORED, audit.c.hash, audit.c.seal)
_PIECE = 1000
Record = Row[Any]


def is_sealed(connection: Connection, act: Record) -> bool:
    """Whether an act is one of a process with the key; True where this one has none and can't tell."""
    return stamps.holds(connection, sealed_content(act), act.seal)


def sealed_content(act: Record) -> bytes:
    """What an act's seal is over."""
    return content(act.hash, [*(getattr(act, name) for name in SAID), act.stored])


def content(digest: str, said: Sequence[int | str]) -> bytes:
    """An act's content behind a hash: that of the one before for the chain, its own for the seal."""
    return f"{digest}\n{json.dumps(said, ensure_ascii=False)}".encode()


def link(before: str, said: Sequence[int | str], algorithm: str = digests.FIRST) -> str:
    """The digest over the hash of the row before and this row, its detail as the text that is stored."""
    return digests.digest(content(before, said), algorithm)


def fault(rows: int, head: str, row: Record) -> str | None:
    """Why this is not the row that follows; None where it is."""
    if row.id != rows + 1:
        return f"Row {rows + 1} is missing: the next one is {row.id}."
    algorithm = digests.algorithm_of(row.hash)
    if digests.rank(algorithm) < digests.rank(digests.algorithm_of(head)):
        return f"Row {row.id} goes back to {algorithm[:20]}, or was changed."
    if link(head, [*row[: len(SAID)], row.stored], algorithm) != row.hash:
        return f"Row {row.id} ({row.action} by {row.who}) was changed, or the row before it."
    return None


def head(connection: Connection) -> Head:
    """The chain's end, for keeping where nobody who can change the database can."""
    a = audit.c
    last = connection.execute(select(a.id, a.hash, a.at).order_by(a.id.desc()).limit(1)).first()
    return Head(*last) if last else Head(0, START, 0)


def rows(connection: Connection, after: int) -> Iterator[Record]:
    while True:
        query = select(*ACT).where(audit.c.id > after).order_by(audit.c.id).limit(_PIECE)
        piece: Sequence[Any] = connection.execute(query).all()
        yield from piece
        if len(piece) < _PIECE:
            return
        after = piece[-1].id


# ---- what this process has seen ---------------------------------------------------------------------------


def bears(connection: Connection, about: str, find: Callable[[], Record | None]) -> bool:
    """Whether `find` finds the act that says so, and the chain goes on from it as this process has seen it.

    Remembered for `about` until there is another act: what has been seen to be said stays so. In a
    transaction that only reads, which may see an earlier moment, `find` alone is asked.
    """
    followed = followed_of(connection)
    if followed is None:
        return find() is not None
    span = followed.span  # before the look at the end: others follow it meanwhile
    newest = head(connection)
    known = followed.verdict(about, newest)
    if known is None:
        act = find()
        seen = _seen(connection, Head(act.id, act.hash, 0), newest, span) if act is not None else None
        known = seen is not None
        if not has_noted(connection):  # an act of a transaction that may be undone is not to be remembered
            followed.remember(about, newest, known, seen)
    return known


def _seen(
    connection: Connection, since: Head, newest: Head, span: tuple[Head, Head] | None
) -> tuple[Head, Head] | None:
    """From where to where the chain is whole by now; None where something of it is gone or another one."""
    if span is None:
        return (since, newest) if _is_linked(connection, since, newest) else None
    first, last = span
    whole = newest.row >= last.row and _is_linked(connection, last, newest)
    if since.row < first.row:
        whole = whole and _is_linked(connection, since, first)
    return (min(since, first), newest) if whole else None


def _is_linked(connection: Connection, start: Head, end: Head) -> bool:
    """Whether each row from the one to the other follows on the one before, the last sealed one by our key.

    That one's seal is over its hash, so over all before it. Commands without the key may have added others.
    """
    before, sealed = (start.row, start.hash), None
    for row in rows(connection, start.row):
        if row.id > end.row:
            break
        if fault(*before, row):
            return False
        before, sealed = (row.id, row.hash), row if row.seal else sealed
    return before == (end.row, end.hash) and (sealed is None or is_sealed(connection, sealed))

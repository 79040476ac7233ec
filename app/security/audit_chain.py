"""The audit's rows as a chain: what each hash and each seal is over, and whether it goes on as it was seen.

A process remembers the end of the chain that it has seen or added to. Whoever has only the database can cut
acts off, or put rows back that bear good seals; not so that it fits what a process has seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Text, cast, select

from app.core import hashing
from app.database.audit_heads import AuditHead
from app.database.audit_memory import chain_memory_of, has_noted
from app.database.models import audit
from app.security import row_stamps

START = "0" * 64
SAID = ("id", "at", "who", "origin", "action", "subject")
# An act of the audit with its detail as the text that is stored, as hashes and seals are over it.
_STORED = cast(audit.c.detail, Text).label("stored")
ACT = (*(audit.c[name] for name in SAID), _STORED, audit.c.hash, audit.c.seal)
_PIECE = 1000
Record = Row[Any]


def is_sealed(connection: Connection, act: Record) -> bool:
    """Whether an act is one of a process with the key; True where this one has none and can't tell."""
    return row_stamps.holds(connection, sealed_content(act), act.seal)


def sealed_content(act: Record) -> bytes:
    """What an act's seal is over."""
    return content(act.hash, [*(getattr(act, name) for name in SAID), act.stored])


def content(digest: str, said: Sequence[int | str]) -> bytes:
    """An act's content behind a hash: that of the one before for the chain, its own for the seal."""
    return f"{digest}\n{json.dumps(said, ensure_ascii=False)}".encode()


def link(before: str, said: Sequence[int | str], algorithm: str = hashing.FIRST) -> str:
    """The digest over the hash of the row before and this row, its detail as the text that is stored."""
    return hashing.digest(content(before, said), algorithm)


def fault(rows: int, head: str, row: Record) -> str | None:
    """Why this is not the row that follows; None where it is."""
    if row.id != rows + 1:
        return f"Row {rows + 1} is missing: the next one is {row.id}."
    algorithm = hashing.algorithm_of(row.hash)
    if hashing.rank(algorithm) < hashing.rank(hashing.algorithm_of(head)):
        return f"Row {row.id} goes back to {algorithm[:20]}, or was changed."
    if link(head, [*row[: len(SAID)], row.stored], algorithm) != row.hash:
        return f"Row {row.id} ({row.action} by {row.who}) was changed, or the row before it."
    return None


def head(connection: Connection) -> AuditHead:
    """The chain's end, for keeping where nobody who can change the database can."""
    a = audit.c
    last = connection.execute(select(a.id, a.hash, a.at).order_by(a.id.desc()).limit(1)).first()
    return AuditHead(*last) if last else AuditHead(0, START, 0)


def rows(connection: Connection, after: int) -> Iterator[Record]:
    while True:
        query = select(*ACT).where(audit.c.id > after).order_by(audit.c.id).limit(_PIECE)
        piece: Sequence[Any] = connection.execute(query).all()
        yield from piece
        if len(piece) < _PIECE:
            return
        after = piece[-1].id


# ---- what this process has seen ---------------------------------------------------------------------------


def bears(
    connection: Connection,
    about: str,
    find: Callable[[], Record | None],
    judge: Callable[[Record], bool],
) -> bool:
    """Whether the last act about something says so, and the chain goes on from it as it was seen to.

    find: that act; judge: whether it says so. What has said so once does, however the rows read by now, until
    there is a newer act. A transaction that only reads may see an earlier moment: there the act alone counts.
    """
    memory, act = chain_memory_of(connection), None
    if memory is None:
        act = find()
        return act is not None and judge(act)
    last = memory.last  # before the look at the end: others follow it meanwhile
    newest, known = head(connection), memory.verdict(about)
    if known is not None and known[0].said == newest.said and last is not None and last.said == newest.said:
        return known[1]
    act = find()
    held = known[0] if known is not None and known[1] else None  # what was not is looked at from its act on
    since = held or (None if act is None else AuditHead(act.id, act.hash, 0))
    if since is None or not _goes_on(connection, [since, *([last] if last else [])], newest):
        return False
    is_new = act is not None and (held is None or act.id > held.row)
    found = judge(act) if act is not None and is_new else held is not None
    if not has_noted(connection):  # an act of a transaction that may be undone is not to be remembered
        memory.remember(about, newest, found)
    return found


def _goes_on(connection: Connection, seen: Sequence[AuditHead], end: AuditHead) -> bool:
    """Whether each row from the first of these on follows on the one before, and all of these are there.

    The last sealed row must be so by our key: its seal is over its hash, so over all before it. Commands
    without the key may have added others.
    """
    start = min(seen)
    hashes, sealed = {start.row: start.hash}, None
    before = start.row
    for row in rows(connection, start.row):
        if row.id > end.row:
            break
        if fault(before, hashes[before], row):
            return False
        before, sealed = row.id, row if row.seal else sealed
        hashes[before] = row.hash
    whole = all(hashes.get(each.row) == each.hash for each in (*seen, end))
    return whole and (sealed is None or is_sealed(connection, sealed))

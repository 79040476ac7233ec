"""The audit log's hash chain: what hashes and seals cover, and whether the chain continues as it was seen.

Each process remembers the end of the chain that it last saw or wrote. Someone with the database alone can cut
rows off or restore rows with valid seals, but not so that they fit what a process remembers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Text, cast, select

from app.core import hashing
from app.database.audit_heads import AuditHead
from app.database.audit_memory import chain_memory_of, has_noted
from app.database.models import audit
from app.security import row_stamps
from carriers.phrases import Phrase

START = "0" * 64
SAID = ("id", "at", "who", "origin", "action", "subject")
# An audit row with its detail as stored text, which is what hashes and seals cover.
_STORED = cast(audit.c.detail, Text).label("stored")
ACT = (*(audit.c[name] for name in SAID), _STORED, audit.c.hash, audit.c.seal)
_PIECE = 1000
Record = Row[Any]


def is_sealed(connection: Connection, act: Record) -> bool:
    """Return whether a process with the key wrote the row; True if this one has no key to check."""
    return row_stamps.holds(connection, sealed_content(act), act.seal)


def is_on_record(
    connection: Connection, place: tuple[str, str], detail: Mapping[str, object], at_ms: int
) -> bool:
    """Return whether the first act of this (subject, action) says so, as a process with the key sealed it.

    detail: the values it must have; at_ms: when it was done. An act from before there was a key has no seal,
    nor has any before it; the audit's oldest acts are erased.
    """
    a, (subject, action) = audit.c, place
    query = select(*ACT).where(a.subject == subject, a.action == action).order_by(a.id)
    act = connection.execute(query.limit(1)).first()
    if act is None:
        oldest = connection.execute(select(a.id, a.at).order_by(a.id).limit(1)).first()
        return oldest is not None and oldest.id > 1 and at_ms <= oldest.at
    stored = json.loads(act.stored)
    if any(stored.get(name) != value for name, value in detail.items()):
        return False
    return is_sealed_for_its_time(connection, act)


def is_sealed_for_its_time(connection: Connection, act: Record) -> bool:
    """Return whether a process with the key wrote the row, or there was no key yet."""
    sealed_before = select(audit.c.id).where(audit.c.id < act.id, audit.c.seal.is_not(None)).limit(1)
    if act.seal is None and connection.execute(sealed_before).first() is None:
        return True
    return is_sealed(connection, act)


def sealed_content(act: Record) -> bytes:
    return content(act.hash, [*(getattr(act, name) for name in SAID), act.stored])


def content(digest: str, fields: Sequence[int | str]) -> bytes:
    """Encode a row with a hash: the previous row's for the chain, its own for the seal."""
    return f"{digest}\n{json.dumps(fields, ensure_ascii=False)}".encode()


def link(before: str, fields: Sequence[int | str], like: str = "") -> str:
    """Return the row's hash, over the previous row's hash and this row with its detail as stored text."""
    return hashing.digest(content(before, fields), like)


def fault(rows: int, head: str, row: Record) -> str | None:
    """Return why this row does not follow the previous one, or None if it does."""
    if row.id != rows + 1:
        return Phrase("Row {n} is missing; the next row is {other}.", n=rows + 1, other=row.id)
    if link(head, [*row[: len(SAID)], row.stored], like=row.hash) != row.hash:
        return Phrase(
            "Row {n} ({action} by {who}) or the row before it was changed.",
            n=row.id,
            action=row.action,
            who=row.who,
        )
    return None


def head(connection: Connection) -> AuditHead:
    """Return the chain's end, to be kept where someone who can change the database can't."""
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


# ---- what this process has seen


def bears(
    connection: Connection,
    about: str,
    find: Callable[[], Record | None],
    judge: Callable[[Record], bool],
) -> bool:
    """Return whether the last row on a subject satisfies `judge` and the chain continues from it as seen.

    find: returns that row. A positive verdict holds, whatever the rows say later, until there is a newer row.
    A read-only transaction may see an earlier state; there only the row itself counts.
    """
    memory, act = chain_memory_of(connection), None
    if memory is None:
        act = find()
        return act is not None and judge(act)
    last = memory.last  # read before the end, because other rows may follow meanwhile
    newest, known = head(connection), memory.verdict(about)
    if known is not None and known[0].said == newest.said and last is not None and last.said == newest.said:
        return known[1]
    act = find()
    held = known[0] if known is not None and known[1] else None  # a negative verdict is judged afresh
    since = held or (None if act is None else AuditHead(act.id, act.hash, 0))
    if since is None or not _goes_on(connection, [since, *([last] if last else [])], newest):
        return False
    is_new = act is not None and (held is None or act.id > held.row)
    found = judge(act) if act is not None and is_new else held is not None
    if not has_noted(connection):  # don't remember a row of our own that may be rolled back
        memory.remember(about, newest, found)
    return found


def _goes_on(connection: Connection, seen: Sequence[AuditHead], end: AuditHead) -> bool:
    """Return whether the rows from the first of these on form an unbroken chain that contains all of these.

    The last sealed row must bear our key's seal, which covers its hash and so all rows before it. Commands
    without the key may have added rows.
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

"""Erase what is held on one number, as far as nothing that was sent, approved or reported stands on it.

What is looked for has no index by number, so it is found in a reading; the writing takes rows by their keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Table, exists, func, or_, select, update
from sqlalchemy import delete as delete_from

from app.core.errors import Conflict
from app.core.states import BatchState
from app.database.models import (
    batches,
    follow_ups,
    inbound_messages,
    quarantine,
    receipt_files,
    run_batches,
    subscribers,
)
from app.inbound.reply_kinds import ReplyKind
from app.ledger import batch_rows
from app.ledger.ledger import Ledger
from app.ledger.row_locking import lock_batches
from app.privacy.person_data import HeldData, HeldKind, held_on

_AT_ONCE = 500
_STAY = (HeldKind.MESSAGE, HeldKind.RECEIPTS, HeldKind.RESULT_FILE, HeldKind.NAMED, HeldKind.WRITTEN)


@dataclass(frozen=True, slots=True)
class UnusedLine:
    """The number's line in a batch that no campaign uses, with the rows' digest before and without it."""

    batch_id: int
    seq: int
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class ErasablePerson:
    """What can be erased of a number, by key, and what has to be kept."""

    phone: int
    inbound: Sequence[int]
    quarantine: Sequence[int]
    lines: Sequence[UnusedLine]
    kept: Sequence[HeldData]
    imported: frozenset[tuple[str, int]]  # the files that were looked through


def find(connection: Connection, phone: int) -> ErasablePerson:
    """Find what can be erased of this number, and what has to be kept.

    Raises Conflict while a file is imported, which may have the number.
    """
    imported = _imported(connection)  # first: what comes in during the look is missing here
    m, q = inbound_messages.c, quarantine.c
    mine = or_(m.kind.is_(None), m.kind != ReplyKind.REPORT.value)
    came = connection.execute(select(m.id).where(m.phone == phone, mine)).scalars().all()
    waits = connection.execute(select(q.id).where(q.phone == phone)).scalars().all()
    lines = _unused(connection, phone)
    return ErasablePerson(phone, came, waits, lines, _kept(connection, phone, lines), imported)


def _imported(connection: Connection) -> frozenset[tuple[str, int]]:
    """Return the files whose import is over. Raises Conflict for one that is at work or was broken off."""
    _require_none_importing(connection)
    return frozenset(
        (table.name, row_id)
        for table in (batches, receipt_files)
        for row_id in connection.execute(
            select(table.c.id).where(table.c.state == BatchState.READY)
        ).scalars()
    )


def _require_none_importing(connection: Connection) -> None:
    if (batch := _first_importing(connection, batches)) is not None:
        raise Conflict(
            f"Batch {batch} is being imported and may have the number: answer once more when that is over; "
            "if it stands still, upload the same file again."
        )
    if (file := _first_importing(connection, receipt_files)) is not None:
        raise Conflict(
            f"Receipt file {file} is being imported and may have the number: answer once more when that is "
            "over; if it stands still, upload the same file again."
        )


def _first_importing(connection: Connection, table: Table) -> int | None:
    query = select(table.c.id).where(table.c.state == BatchState.IMPORTING).order_by(table.c.id).limit(1)
    return connection.execute(query).scalar()


def _unused(connection: Connection, phone: int) -> list[UnusedLine]:
    """Return its lines in batches of files that no run uses, whose rows no approval has bound.

    Not in one whose rows were altered past Loa: another digest would hide that.
    """
    s, b = subscribers.c, batches.c
    used = exists().where(run_batches.c.batch_id == b.id) | exists().where(follow_ups.c.batch_id == b.id)
    query = select(s.batch_id, s.seq, b.rows_sha256).join(batches, b.id == s.batch_id)
    mine = query.where(s.phone == phone, b.state == BatchState.READY.value, ~used).order_by(b.id)
    return [
        UnusedLine(row.batch_id, row.seq, row.rows_sha256, _without(connection, row.batch_id, row.seq))
        for row in connection.execute(mine).all()
        if not batch_rows.rows_altered(connection, row.batch_id)
    ]


def _without(connection: Connection, batch_id: int, seq: int) -> str:
    return batch_rows.hash_rows(connection, batch_id, {seq})[1]


def _kept(connection: Connection, phone: int, lines: Sequence[UnusedLine]) -> list[HeldData]:
    """Return the places that stay: what was sent or bound, proofs, reports of scams, and the lists."""
    b, m = batches.c, inbound_messages.c
    of = select(b.name, b.carrier).where(b.id.in_([each.batch_id for each in lines]))
    unused = Counter((row.name, row.carrier) for row in connection.execute(of))
    reports = connection.scalar(
        select(func.count()).where(m.phone == phone, m.kind == ReplyKind.REPORT.value)
    )
    found = []
    for each in held_on(connection, phone):
        if each.kind is HeldKind.INBOUND and reports:
            found.append(replace(each, n=reports))
        elif each.kind is HeldKind.LIST and unused[each.name, each.carrier]:
            unused[each.name, each.carrier] -= 1  # of two lists of one name the other one may stay
        elif each.kind in _STAY or each.kind is HeldKind.LIST:
            found.append(each)
    return found


def erase(connection: Connection, ledger: Ledger, found: ErasablePerson) -> dict[str, int]:
    """Erase what was found; return the rows by table.

    Raises Conflict if a list was changed or used since, or a file has come in.
    """
    if _imported(connection) - found.imported:
        raise Conflict("A file has come in while the number was looked for; answer once more.")
    ledger.forget_for_good(connection)
    counts: Counter[str] = Counter()
    for table, ids in ((inbound_messages, found.inbound), (quarantine, found.quarantine)):
        for start in range(0, len(ids), _AT_ONCE):
            some = table.c.id.in_(ids[start : start + _AT_ONCE])
            gone = connection.execute(delete_from(table).where(some, table.c.phone == found.phone))
            counts[table.name] += gone.rowcount
    lock_batches(connection, [line.batch_id for line in found.lines])
    for line in found.lines:
        counts[subscribers.name] += _erase_line(connection, found.phone, line)
    return {name: n for name, n in sorted(counts.items()) if n}


def _erase_line(connection: Connection, phone: int, line: UnusedLine) -> int:
    b, s = batches.c, subscribers.c
    unused = ~exists().where(run_batches.c.batch_id == b.id)
    after = None if line.before is None else line.after
    values = {"accepted": b.accepted - 1, "lines": b.lines - 1, "rows_sha256": after}
    same = b.rows_sha256.is_(None) if line.before is None else b.rows_sha256 == line.before
    held = update(batches).where(b.id == line.batch_id, b.state == BatchState.READY.value, unused, same)
    if connection.execute(held.values(values)).rowcount != 1:
        raise Conflict(
            f"Batch {line.batch_id} was used or changed while the number was looked for; answer once more."
        )
    own = (s.batch_id == line.batch_id, s.seq == line.seq, s.phone == phone)
    return connection.execute(delete_from(subscribers).where(*own)).rowcount

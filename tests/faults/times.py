"""Moves every time that a ledger has stored back by some days, as if these days had passed since.

What is sealed by a hash over a time is sealed anew, as it would read if it had been written then: the audit's
chain and its heads that are kept outside, certificates of erasures, and digests of approvals that held.
Leaving those times as they are was the other way: but batches are erased by the time of their import in the
audit, an erasure comes once a day after the one before, and runs go on over a move only while their approval
holds. Papers are papers: the figures of frozen and kept reports, their files, and the dates of letters stay
as they were printed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Table, case, select, update

from app.core.clock import DAY_MS
from app.database import audit_heads
from app.database.connection import Database, keys_of
from app.database.models import approvals, audit, campaigns, erasures, metadata, people
from app.ledger import approval_digest
from app.privacy import certificates
from app.security import audit as chain
from app.security.audit_chain import SAID

# Columns of eight bytes that hold no time; all others do (app/database/models.py: Ms).
NO_TIMES = frozenset(
    {
        *("id", "applied_upto", "phone", "bytes", "bytes_read", "digest", "repeat_of", "segments"),
        *("sent", "refused", "unknown", "before", "numbers"),
        *("budget_segments", "budget_dong", "budget_signed", "inbound_id", "reference_hash", "ended"),
    }
)
MICROSECONDS = frozenset({"next_free_us"})
_TOTP_STEP_MS = 30_000
_ENDINGS = (
    "at",
    "since",
    "until",
    "_us",
    "not_before",
    "window_start",
    "window_end",
    "deadline",
    "judged_from",
)


def time_columns(table: Table) -> list[Column[Any]]:
    """The columns of a table that hold moments; fails for one whose name does not tell."""
    found = [each for each in table.c if isinstance(each.type, BigInteger) and each.name not in NO_TIMES]
    strange = [each.name for each in found if not each.name.endswith(_ENDINGS)]
    assert not strange, f"{table.name}: are {strange} times? Say so in tests/faults/times.py"
    return found


def move_back(db: Database, days: int, kept: Path | None = None) -> None:
    """Move all times back, with nobody at work; on PostgreSQL the tables are left as autovacuum would.

    kept: the file of heads of the audit, which are moved as well.
    """
    renamed = db.write(_move, days * DAY_MS)
    if kept is not None:
        _rewrite(kept, renamed, days * DAY_MS)
    if not db.sqlite:
        with db.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE")


def _rewrite(file: Path, renamed: dict[str, str], ms: int) -> None:
    held = audit_heads.kept(file)
    file.unlink(missing_ok=True)
    for each in held:
        audit_heads.keep(file, each._replace(hash=renamed[each.hash], at=each.at - ms))


def _move(connection: Connection, ms: int) -> dict[str, str]:
    """Hashes of the audit's rows as they were and as they are now."""
    approved = _that_hold(connection)
    for table in metadata.sorted_tables:
        if times := {each.name: _earlier(each, ms) for each in time_columns(table)}:
            connection.execute(update(table).values(times))
    earlier = case(
        (people.c.totp_step > ms // _TOTP_STEP_MS, people.c.totp_step - ms // _TOTP_STEP_MS), else_=0
    )
    connection.execute(update(people).values(totp_step=earlier))
    return _seal_anew(connection, approved)


def _earlier(column: Column[Any], ms: int) -> Any:
    """0 and the like stand for no time."""
    by = ms * 1000 if column.name in MICROSECONDS else ms
    return case((column > by, column - by), else_=column)


def _that_hold(connection: Connection) -> list[tuple[int, int, str]]:
    """(approval, campaign, digest) of the decisions that are about the campaign as it is."""
    found = []
    for each in connection.execute(select(campaigns).order_by(campaigns.c.id)).all():
        last = approval_digest.last_decision(connection, each.id)
        if last is not None and approval_digest.holds(connection, each, last.digest):
            found.append((last.id, each.id, last.digest))
    return found


def _seal_anew(connection: Connection, approved: list[tuple[int, int, str]]) -> dict[str, str]:
    fresh = dict(_certificates(connection))
    for approval, campaign, old in approved:
        row = connection.execute(select(campaigns).where(campaigns.c.id == campaign)).one()
        new = approval_digest.digest(connection, row, old)
        connection.execute(update(approvals).where(approvals.c.id == approval).values(digest=new))
        fresh[old] = new
    return _chain(connection, fresh)


def _certificates(connection: Connection) -> list[tuple[str, str]]:
    """(hash before, hash now) of each."""
    changed = []
    for row in connection.execute(select(erasures).where(erasures.c.ended_at.is_not(None))).all():
        new = certificates._digest(row)
        connection.execute(update(erasures).where(erasures.c.id == row.id).values(sha256=new))
        changed.append((row.sha256, new))
    return changed


def _chain(connection: Connection, fresh: dict[str, str]) -> dict[str, str]:
    """Chain the audit again, with the new hashes of what its acts name; hashes of its rows, old and new."""
    assert not keys_of(connection), "with a secret_key each row bears a seal, which is not made anew here"
    renamed: dict[str, str] = {}
    assert chain.anchor(connection).row == 0, "the beginning of the audit is erased: its anchor would move"
    head = chain.START
    for row in connection.execute(select(audit).order_by(audit.c.id)).all():
        detail = {
            name: fresh.get(said, said) if isinstance(said, str) else said
            for name, said in row.detail.items()
        }
        said = [getattr(row, name) for name in SAID]
        head = chain.link(head, [*said, json.dumps(detail)], row.hash)
        renamed[row.hash] = head
        own = update(audit).where(audit.c.id == row.id)
        connection.execute(own.values(detail=detail, hash=head))
    return renamed

"""Quarantine sweep: match waiting receipts again and settle the unknown deliveries they are about."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.database.connection import Database
from app.database.models import quarantine
from app.ledger.contract import Applied
from app.ledger.ledger import Ledger
from app.observability.faults import Faults, outcome

_AT_ONCE = 500
_MOST_S = 0.5  # a flood of foreign receipts must not hold SQLite's writer for long
ASIDE_MS = 3_600_000  # before a receipt that failed is tried again
_ALL = 20  # failures in a row that cannot be the fault of single receipts


async def match_quarantined(db: Database, ledger: Ledger, faults: Faults) -> int:
    """Match the quarantined receipts that are due, slice by slice; return how many matched."""
    matched, ends = 0, clock.monotonic() + _MOST_S
    while clock.monotonic() < ends:
        applied = await _slice(db, ledger, faults)
        matched += applied.matched
        if applied.matched + applied.quarantined < _AT_ONCE:
            break
    return matched


async def _slice(db: Database, ledger: Ledger, faults: Faults) -> Applied:
    applied = await outcome(db.write_with_retry(ledger.rematch, _AT_ONCE))
    if isinstance(applied, Applied):
        return applied
    if isinstance(applied, DatabaseUnavailable) or not isinstance(applied, Exception):
        raise applied
    return await _one_by_one(db, ledger, faults)


async def _one_by_one(db: Database, ledger: Ledger, faults: Faults) -> Applied:
    total, in_a_row = Applied(), 0
    for receipt_id in await db.read_with_retry(_due, ledger):
        applied = await outcome(db.write_with_retry(ledger.rematch, 1, [receipt_id]))
        if isinstance(applied, Applied):
            total.matched, in_a_row = total.matched + applied.matched, 0
            total.quarantined += applied.quarantined
            continue
        in_a_row += 1
        if isinstance(applied, DatabaseUnavailable) or not isinstance(applied, Exception) or in_a_row == _ALL:
            raise applied
        await db.write_with_retry(_postpone, ledger, receipt_id)
        await faults.note("quarantine", applied, f"receipt {receipt_id} in quarantine", 2 * ASIDE_MS)
    return total


def _due(connection: Connection, ledger: Ledger) -> list[int]:
    q = quarantine.c
    query = select(q.id).where(q.try_at <= ledger.now_ms(connection)).order_by(q.try_at, q.id)
    return list(connection.execute(query.limit(_AT_ONCE)).scalars())


def _postpone(connection: Connection, ledger: Ledger, receipt_id: int) -> None:
    later = {"try_at": ledger.now_ms(connection) + ASIDE_MS, "tries": quarantine.c.tries + 1}
    connection.execute(update(quarantine).where(quarantine.c.id == receipt_id).values(later))

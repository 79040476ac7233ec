"""The sweep over quarantine: receipts are matched again, and settle the unknown deliveries they speak of."""

from __future__ import annotations

from app.db import Database
from app.ledger.contract import Ledger

_AT_ONCE = 500


async def settle(db: Database, ledger: Ledger) -> int:
    """Look again at all quarantined receipts that are due, slice by slice; how many were matched."""
    matched = 0
    while True:
        applied = await db.insist(ledger.rematch, _AT_ONCE)
        matched += applied.matched
        if applied.matched < _AT_ONCE:
            return matched

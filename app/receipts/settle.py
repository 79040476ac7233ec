"""The sweep over quarantine: receipts are matched again, and settle the unknown deliveries they speak of."""

from __future__ import annotations

from app.db import Database
from app.ledger.contract import Ledger

_AT_ONCE = 500
# A flood of foreign receipts must not keep the other sweeps waiting.
_ROUNDS = 40


async def settle(db: Database, ledger: Ledger) -> int:
    """Look again at the quarantined receipts that are due, slice by slice; how many were matched."""
    matched = 0
    for _ in range(_ROUNDS):
        applied = await db.insist(ledger.rematch, _AT_ONCE)
        matched += applied.matched
        if applied.matched + applied.quarantined < _AT_ONCE:
            break
    return matched

"""Which engine a database has."""

from __future__ import annotations

from app.database.connection import Database
from app.ledger.contract import Ledger


def ledger_for(db: Database, chunk_size: int = 1000) -> Ledger:
    """The ledger on this database; the other engine's code is not loaded."""
    if db.sqlite:
        from app.ledger.engines.sqlite import SqliteLedger

        return SqliteLedger(chunk_size)
    from app.ledger.engines.postgresql import PostgresqlLedger

    return PostgresqlLedger(chunk_size)

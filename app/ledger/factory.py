"""Choose the ledger implementation for a database."""

from __future__ import annotations

from app.database.connection import Database
from app.ledger.contract import Ledger


def ledger_for(db: Database, chunk_size: int = 1000) -> Ledger:
    """Return the ledger for this database, importing only the engine that it needs."""
    if db.sqlite:
        from app.ledger.engines.sqlite import SqliteLedger

        return SqliteLedger(chunk_size)
    from app.ledger.engines.postgresql import PostgresqlLedger

    return PostgresqlLedger(chunk_size)

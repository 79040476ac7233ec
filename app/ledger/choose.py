"""Which engine a database has."""

from __future__ import annotations

from app.db import Database
from app.ledger.contract import Ledger
from app.ledger.postgresql import PostgresqlLedger
from app.ledger.sqlite import SqliteLedger


def ledger_for(db: Database, chunk_size: int = 1000) -> Ledger:
    """The ledger on this database."""
    return SqliteLedger(chunk_size) if db.sqlite else PostgresqlLedger(chunk_size)

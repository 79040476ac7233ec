"""Journal of changes to deliveries that no submission and no receipt records."""

from __future__ import annotations

from sqlalchemy import Column, Integer, SmallInteger, Table

from app.database.models.base import Ms, metadata

# Append-only and short; it makes it possible to rebuild a report as of an earlier time.
turns = Table(
    "turns",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Ms, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),  # ledger.contract.StateEvent
    Column("reason", SmallInteger, nullable=False, server_default="0"),
    Column("submitted_at", Ms),  # of the sending that a requeue takes back
    sqlite_with_rowid=False,
)

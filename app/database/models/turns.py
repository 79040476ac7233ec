"""Stage 3's journal of what moves a delivery and stands in no submission and no receipt."""

from __future__ import annotations

from sqlalchemy import Column, Integer, SmallInteger, Table

from app.database.models.base import Ms, metadata

# Append-only and short by nature: it lets a report be built anew as it was at an earlier moment.
turns = Table(
    "turns",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Ms, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),  # ledger.contract.Turn
    Column("reason", SmallInteger, nullable=False, server_default="0"),
    Column("submitted_at", Ms),  # of the sending that a requeue takes back
    sqlite_with_rowid=False,
)

"""Stored responses of requests with an Idempotency-Key."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, LargeBinary, SmallInteger, String, Table

from app.database.models.base import Ms, metadata

# Written in the same transaction as the action, so that neither exists without the other.
answers = Table(
    "answers",
    metadata,
    Column("caller", String(80), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("request", String(64), nullable=False),  # SHA-256 of method, address and body
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", Ms, nullable=False),
    Index(None, "at"),
)

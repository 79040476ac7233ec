"""Outbox of notifications: one row per message, with its own due time and lease."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, SmallInteger, String, Table, Text

from app.database.models.base import Ms, metadata, new_id

notices = Table(
    "notices",
    metadata,
    new_id(),
    Column("key", String(200), nullable=False, unique=True),  # content and recipient: never sent twice
    Column("kind", String(60), nullable=False),  # such as directive.due
    Column("channel", String(8), nullable=False),  # email | webhook
    Column("target", String(254), nullable=False),  # e-mail address, or name of an endpoint in the settings
    Column("payload", JSON, nullable=False),
    Column("state", String(8), nullable=False),  # waiting | sent | failed
    Column("due_at", Ms, nullable=False),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("owner", String(80)),  # sending process; its lease ends at lease_until
    Column("lease_until", Ms),
    Column("error", Text),
    Column("created_at", Ms, nullable=False),
    Column("sent_at", Ms),
    Index("ix_notices_state_due_at", "state", "due_at"),
)

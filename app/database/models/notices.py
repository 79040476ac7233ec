"""What is said to people and programs outside: one row for each message, with its own due time and lease."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, SmallInteger, String, Table, Text

from app.database.models.base import Ms, metadata, new_id

notices = Table(
    "notices",
    metadata,
    new_id(),
    Column("key", String(200), nullable=False, unique=True),  # what was said to whom: never said twice
    Column("kind", String(60), nullable=False),  # such as directive.due
    Column("channel", String(8), nullable=False),  # email | webhook
    Column("target", String(254), nullable=False),  # an address, or the name of a webhook in the settings
    Column("payload", JSON, nullable=False),
    Column("state", String(8), nullable=False),  # waiting | sent | failed
    Column("due_at", Ms, nullable=False),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("owner", String(80)),  # who is sending it, and until when it is thought alive
    Column("lease_until", Ms),
    Column("error", Text),
    Column("created_at", Ms, nullable=False),
    Column("sent_at", Ms),
    Index("ix_notices_state_due_at", "state", "due_at"),
)

"""Tables of campaigns: directives, campaigns, approvals, runs and their audiences."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from app.database.models.base import Ms, metadata, new_id

directives = Table(
    "directives",
    metadata,
    new_id(),
    Column("number", String(60), nullable=False, unique=True),
    Column("issued_on", String(10), nullable=False),
    Column("issuer", String(200), nullable=False),
    Column("subject", Text, nullable=False),
    Column("report_deadline", Ms),
    Column("addressees", JSON, nullable=False),
    Column("created_at", Ms, nullable=False),
    Column("created_by", String(80), nullable=False),
)

campaigns = Table(
    "campaigns",
    metadata,
    new_id(),
    Column("directive_id", Integer, ForeignKey("directives.id")),
    Column("name", String(200), nullable=False),
    Column("purpose", String(20), nullable=False),
    Column("sender", String(11), nullable=False),
    Column("text_key", String(60)),
    # The author's own text with its diacritics, NFC; NULL: a text of messages/, or a row of before 0030.
    Column("wording", Text),
    Column("texts", JSON, nullable=False),  # language -> exact text to send, pinned, NFC; derived from it
    Column("window_start", Ms),
    Column("window_end", Ms),
    Column("day_starts", String(5), nullable=False),
    Column("day_ends", String(5), nullable=False),
    Column("state", String(12), nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("created_at", Ms, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("submitted_by", String(80)),
    Column("editors", JSON, nullable=False, server_default="[]"),  # who changed it and so may not approve it
    Column("behind", JSON, nullable=False, server_default="[]"),  # who stood behind them then; likewise
)

approvals = Table(
    "approvals",
    metadata,
    new_id(),
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), nullable=False, index=True),
    Column("digest", String(64), nullable=False),
    Column("decision", String(12), nullable=False),  # approved | rejected | returned | voided
    Column("reason", Text),
    Column("at", Ms, nullable=False),
    Column("by", String(80), nullable=False),
    # MAC over the other columns, by a key outside the database: app/ledger/approval_digest.py
    Column("stamp", String(64)),
    Column("content", JSON),  # what was decided on, to compare later; NULL: older row, or voided
    Column("links", JSON),  # carrier -> what its links make of a text; NULL: older row
)

runs = Table(
    "runs",
    metadata,
    new_id(),
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), nullable=False),
    Column("carrier", String(40), nullable=False),
    Column("state", String(12), nullable=False),
    Column("priority", SmallInteger, nullable=False, server_default="0"),
    Column("segments_per_second", Integer),  # maximum rate; NULL: that of the carrier's links
    Column("closing", SmallInteger),  # states.NotSent: why the rest of the queue will not be sent
    Column("started_at", Ms),
    Column("ended_at", Ms),
    Column("finished_at", Ms),  # when it was first finished
    Column("created_at", Ms, nullable=False),
    UniqueConstraint("campaign_id", "carrier"),
)

run_batches = Table(
    "run_batches",
    metadata,
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), primary_key=True),
    Column("batch_id", Integer, ForeignKey("batches.id"), primary_key=True),
    Column("run_id", Integer, ForeignKey("runs.id"), nullable=False),
    Column("fanned_upto", Integer, nullable=False, server_default="0"),  # last subscriber seq made a delivery
    Column("fanned_all", Boolean, nullable=False, server_default=text("false")),
)

# Audience held by the carrier itself: its numbers never come here, only figures come back.
audiences = Table(
    "audiences",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id"), primary_key=True, autoincrement=False),
    Column("areas", JSON, nullable=False),  # codes; empty: the whole province
    Column("area_basis", String(24), nullable=False),  # areas.Basis
    Column("estimated", Integer, nullable=False),  # estimated number of subscribers
)

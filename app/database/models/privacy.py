"""Do-not-send list, what it left out, and erasures with their certificates."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from app.database.models.base import Ms, metadata, new_id, on_postgresql

# Numbers that one carrier's runs leave out; stored whole, because the queueing statement joins them.
do_not_send = Table(
    "do_not_send",
    metadata,
    new_id(),
    Column("carrier", String(40), nullable=False),
    Column("phone", BigInteger, nullable=False),
    Column("added_at", Ms, nullable=False),
    Column("added_by", String(80), nullable=False),
    UniqueConstraint("carrier", "phone"),
)

# Subscribers that were not queued for a reason that can change later and so must be stored.
left_out = Table(
    "left_out",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("reason", SmallInteger, nullable=False),  # states.NotSent
    sqlite_with_rowid=False,
)

# One row per erasure: its work list while it runs, its certificate when it is done.
erasures = Table(
    "erasures",
    metadata,
    new_id(),
    Column("kind", String(12), nullable=False),  # app/privacy/erasable.py: Kind
    Column("subject_id", Integer),  # of the campaign, batch or file
    Column("name", String(200), nullable=False),  # name for people
    Column("rule", Text, nullable=False),  # why it was due, in words
    Column("days", Integer, nullable=False),  # the setting applied
    Column("months", Integer),  # the same, if the setting is in months
    Column("due_at", Ms, nullable=False),
    Column("first_at", Ms),  # earliest and latest time of the erased rows
    Column("last_at", Ms),
    Column("counts", JSON, nullable=False),  # table -> rows erased so far
    Column("totals", JSON, nullable=False),  # of a campaign: [state, reason, messages, segments], kept
    Column("kept", JSON, nullable=False, server_default="{}"),  # run -> hash of its kept report
    Column("anchor", String(80)),  # ROW:HASH of the last audit row erased
    Column("by", String(80), nullable=False),
    Column("started_at", Ms, nullable=False),
    Column("ended_at", Ms),
    Column("sha256", String(64)),  # over all of this, once it has ended
    Column("owner", String(80)),  # process at work; its lease ends at lease_until
    Column("lease_until", Ms),
    Index("ix_erasures_kind_subject_id", "kind", "subject_id"),
    # Read with every group of receipts: which campaigns are closed to them.
    Index(
        "ix_erasures_open",
        "kind",
        sqlite_where=text("ended_at IS NULL"),
        info=on_postgresql(where="ended_at IS NULL"),
    ),
)

# A run's measured report at the time its rows were erased; later reports are printed from it.
kept_reports = Table(
    "kept_reports",
    metadata,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("cutoff_at", Ms, nullable=False),
    Column("figures", Text, nullable=False),  # JSON of app/reports/figures.py: CarrierReport, as it is hashed
    Column("sha256", String(64), nullable=False),
)

"""Who asked not to be written to, what that left out, and the certificates of what was erased."""

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

# Numbers that one carrier's runs leave out. Whole numbers, since the statement that queues has to join them.
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

# Subscribers that were not queued for a reason which can't be found in the rows later on: lists change.
left_out = Table(
    "left_out",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("reason", SmallInteger, nullable=False),  # states.NotSent
    sqlite_with_rowid=False,
)

# One row for each erasure: while it is under way its work list, from its end its certificate.
erasures = Table(
    "erasures",
    metadata,
    new_id(),
    Column("kind", String(12), nullable=False),  # app/privacy/erasable.py: Kind
    Column("subject_id", Integer),  # of the campaign, batch or file
    Column("name", String(200), nullable=False),  # what people call it
    Column("rule", Text, nullable=False),  # in words: why it was due
    Column("days", Integer, nullable=False),  # the setting that was applied
    Column("months", Integer),  # the same of what goes after months
    Column("due_at", Ms, nullable=False),
    Column("first_at", Ms),  # the time that the erased rows speak of
    Column("last_at", Ms),
    Column("counts", JSON, nullable=False),  # table -> rows erased so far
    Column("totals", JSON, nullable=False),  # of a campaign: [state, reason, messages, segments], which stay
    Column("kept", JSON, nullable=False, server_default="{}"),  # run -> hash of its kept report
    Column("anchor", String(80)),  # ROWS:HASH of the last act of the audit that is erased
    Column("by", String(80), nullable=False),
    Column("started_at", Ms, nullable=False),
    Column("ended_at", Ms),
    Column("sha256", String(64)),  # over all of this, from its end on
    Column("owner", String(80)),  # who is at work on it, and until when it is thought alive
    Column("lease_until", Ms),
    Index("ix_erasures_kind_subject_id", "kind", "subject_id"),
    # Asked with every group of receipts: which campaigns are closed to them.
    Index(
        "ix_erasures_open",
        "kind",
        sqlite_where=text("ended_at IS NULL"),
        info=on_postgresql(where="ended_at IS NULL"),
    ),
)

# The measured report of a run as it was when its rows were erased: all later ones are printed from it.
kept_reports = Table(
    "kept_reports",
    metadata,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("cutoff_at", Ms, nullable=False),
    Column("figures", Text, nullable=False),  # JSON of app/reports/figures.py: CarrierReport, as it is hashed
    Column("sha256", String(64), nullable=False),
)

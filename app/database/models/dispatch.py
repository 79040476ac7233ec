"""Stage 3: lanes, and the ledger of deliveries, chunks, submissions and unknown ones."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from app.database.models.base import Ms, Reference, metadata, new_id, on_postgresql

lanes = Table(
    "lanes",
    metadata,
    new_id(),
    Column("name", String(40), nullable=False, unique=True),
    Column("carrier", String(40), nullable=False),
    Column("receipt_group", String(40), nullable=False),
    # Where it connects and as whom: the same under another name is the same account.
    Column("account", String(200)),
    # What the link makes of a text by its settings, hashed: app/runtime/worker.py; none: from before.
    Column("says", String(64)),
    Column("group_id", SmallInteger, nullable=False),  # id of the first lane of the receipt group or account
    Column("segments_per_second", Float, nullable=False),
    Column("receipt_level", SmallInteger, nullable=False),
    # One reference and one receipt for a message, however many parts it has.
    Column("one_receipt", Boolean, nullable=False, server_default=text("false")),
    Column("state", String(12), nullable=False),
    Column("code", String(40)),
    Column("reason", Text),
    Column("changed_at", Ms, nullable=False),
    # Since when the settings of the host that had it open no longer name the link.
    Column("left_at", Ms),
    Column(
        "next_free_us", BigInteger, nullable=False, server_default="0"
    ),  # pace: when the next segment may go
)

# A process that has said nothing of its link for so long has it no more.
LINK_GONE_AFTER_MS = 30_000
# How each link stands in each process that has it open; a row that nobody renews: the process is gone.
link_health = Table(
    "link_health",
    metadata,
    Column("lane_id", SmallInteger, ForeignKey("lanes.id"), primary_key=True, autoincrement=False),
    Column("holder", String(80), primary_key=True),  # the send loop, as `owner` of its chunks
    Column("seen_at", Ms, nullable=False),  # when the process last said so, by the shared clock
    Column("connected_since", Ms),
    Column("lost_since", Ms),
    Column("answered_at", Ms),  # the newest answer to a message
    Column("refused_at", Ms),
    Column("refusal", String(200)),  # why it was last refused or lost
    Column("held", String(200)),  # why nothing but single messages go
    Column("remark", String(200)),  # what a person should look at though messages go
    Column("refusing_since", Ms),  # since when the carrier has put off whatever it was sent
    sqlite_with_rowid=False,
)

# Calls of carriers that were refused for nothing but their time.
webhook_clocks = Table(
    "webhook_clocks",
    metadata,
    Column("lane_id", SmallInteger, ForeignKey("lanes.id"), primary_key=True, autoincrement=False),
    Column("first_at", Ms, nullable=False),  # since when all of them are
    Column("last_at", Ms, nullable=False),
    Column("over_at", Ms),  # when one was taken again
    Column("times", Integer, nullable=False),  # in all
    Column("ahead_s", Integer, nullable=False),  # how far the carrier's clock is ahead, of the newest call
)

# What running runs had sent at the worker's last looks: from these their rate is measured.
run_counts = Table(
    "run_counts",
    metadata,
    new_id(),
    Column("run_id", Integer, nullable=False, index=True),
    Column("at", Ms, nullable=False),
    Column("segments", BigInteger, nullable=False),
)

# Which life of which database this ledger is, as ledger.home says it, and since when; the newest row counts.
# After the database was put back from a backup it is another one: no lane sends until a person has spoken.
homes = Table(
    "homes",
    metadata,
    new_id(),
    Column("home", String(60), nullable=False),
    Column("since", Ms, nullable=False),
    Column("by", String(80), nullable=False),
)

# Eight-byte columns first; no index on anything that changes, and half-full pages, keep updates HOT.
deliveries = Table(
    "deliveries",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("phone", BigInteger, nullable=False),
    Column("submitted_at", Ms),
    Column("done_at", Ms),
    Column("run_id", Integer, nullable=False),
    Column("state", SmallInteger, nullable=False, server_default="0"),
    Column("reason", SmallInteger, nullable=False, server_default="0"),
    Column("segments", SmallInteger, nullable=False, server_default="1"),  # SMS parts that are paid for
    Column(
        "parts", SmallInteger, nullable=False, server_default="1"
    ),  # receipts to expect: 1 with message_payload
    Column(
        "delivered", SmallInteger, nullable=False, server_default="0"
    ),  # bit masks of parts, see core/states.py
    Column("relayed", SmallInteger, nullable=False, server_default="0"),
    Column("failed", SmallInteger, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),  # passes in which it was deferred
    Column(
        "faults", SmallInteger, nullable=False, server_default="0"
    ),  # of these, those that use up patience
    Column("lane_id", SmallInteger),
    Column("area", String(5)),
    Column("lang", String(8)),
    # How often a person had it sent again while it was unknown: at most so many further copies.
    Column("resends", SmallInteger, nullable=False, server_default="0"),
    UniqueConstraint("campaign_id", "phone"),
    sqlite_with_rowid=False,
    info=on_postgresql(partition_by="LIST (campaign_id)"),
)

chunks = Table(
    "chunks",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("first_seq", Integer, primary_key=True, autoincrement=False),
    Column("last_seq", Integer, nullable=False),
    Column("run_id", Integer, nullable=False),
    Column("state", SmallInteger, nullable=False, server_default="0"),  # ledger.contract.ChunkState
    Column("watermark", Integer, nullable=False),  # last seq declared for sending in this pass
    Column("pass_no", Integer, nullable=False, server_default="1"),
    Column("attempt", Integer, nullable=False, server_default="0"),  # fencing: counts claims
    Column("not_before", Ms, nullable=False, server_default="0"),
    Column("owner", String(80)),
    Column("lane_id", SmallInteger),
    Column("lease_until", Ms),
    Column("taken_at", Ms),  # when a lane first took it: nothing of it was sent before
    Column("stamp", String(64)),  # over its lines as they were queued, by a key outside the database
    Index(
        "ix_chunks_open",
        *("run_id", "not_before", "batch_id", "first_seq"),  # the order in which they are claimed
        sqlite_where=text("state < 2"),
        info=on_postgresql(where="state < 2"),
    ),
    sqlite_with_rowid=False,
)

# Append-only: one row for each part and attempt.
submissions = Table(
    "submissions",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("part", SmallInteger, primary_key=True, autoincrement=False),
    Column("at", Ms, nullable=False),
    Column("lane_id", SmallInteger, nullable=False),
    Column("group_id", SmallInteger, nullable=False),
    Column("result", SmallInteger, nullable=False),  # ledger.contract.ResultKind
    Column("reference", Reference),
    Column("code", String(80)),
    Column("network", String(20)),  # who serves the number, by the word of the carrier that refused it
    Index(
        "ix_submissions_reference",
        "reference",
        "group_id",
        sqlite_where=text("reference IS NOT NULL"),
        info=on_postgresql(where="reference IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
    info=on_postgresql(partition_by="LIST (campaign_id)"),
)

# Deliveries whose fate we do not know: a work list beside their state, short by nature.
unknowns = Table(
    "unknowns",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("run_id", Integer, nullable=False, index=True),
    Column("phone", BigInteger, nullable=False),
    Column("attempt", Integer),  # of the lease whose sending is in doubt; NULL: nobody can say
    Column("lane_id", SmallInteger),
    Column("group_id", SmallInteger),
    Column("since", Ms, nullable=False),
    Column("why", String(200), nullable=False),
    Column("written_off_by", String(80)),
    Column("asked_at", Ms),  # when the carrier was last asked for it
    Index("ix_unknowns_phone", "phone"),
)

"""Every table of Loa: the stages hand over through these and never call each other.

Times are whole milliseconds since 1970 (UTC) in 8 bytes on both engines; phones are the digits 84xxxxxxxxx
as a number. On PostgreSQL the three large tables are partitioned by campaign, so that retention is a DROP.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Ms = BigInteger  # milliseconds since 1970, UTC
_Reference = Text().with_variant(Text(collation="C"), "postgresql")


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


# ---- stage 1: batches -----------------------------------------------------------------------------------

batches = Table(
    "batches",
    metadata,
    _id(),
    Column("carrier", String(40), nullable=False),
    Column("name", String(200), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("state", String(12), nullable=False),
    Column("error", Text),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("bytes_read", BigInteger, nullable=False, server_default="0"),
    Column("lines", Integer, nullable=False, server_default="0"),
    Column("accepted", Integer, nullable=False, server_default="0"),
    Column("rejected", Integer, nullable=False, server_default="0"),
    Column("repeated", Integer, nullable=False, server_default="0"),
    Column("other_range", Integer, nullable=False, server_default="0"),  # numbers of another carrier's ranges
    Column("owner", String(80)),  # the import at work, and until when it is thought alive
    Column("lease_until", Ms),
    Column("created_at", Ms, nullable=False),
    Column("created_by", String(80), nullable=False),
    UniqueConstraint("carrier", "sha256"),
)

subscribers = Table(
    "subscribers",
    metadata,
    Column("batch_id", Integer, ForeignKey("batches.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),  # line number in the file
    Column("phone", BigInteger, nullable=False),
    Column("area", String(5)),
    Column("lang", String(8)),
    sqlite_with_rowid=False,
)

bad_lines = Table(
    "bad_lines",
    metadata,
    Column("batch_id", Integer, ForeignKey("batches.id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("reason", String(40), nullable=False),  # a key of app/phone.py REASONS or app/batches
    Column("value", String(80), nullable=False),  # what stood there, masked
    sqlite_with_rowid=False,
)

# ---- stage 2: campaigns ---------------------------------------------------------------------------------

directives = Table(
    "directives",
    metadata,
    _id(),
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
    _id(),
    Column("directive_id", Integer, ForeignKey("directives.id")),
    Column("name", String(200), nullable=False),
    Column("purpose", String(20), nullable=False),
    Column("sender", String(11), nullable=False),
    Column("text_key", String(60)),
    Column("texts", JSON, nullable=False),  # language -> the exact wording that goes out, pinned, NFC
    Column("window_start", Ms),
    Column("window_end", Ms),
    Column("day_starts", String(5), nullable=False),
    Column("day_ends", String(5), nullable=False),
    Column("state", String(12), nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("created_at", Ms, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("submitted_by", String(80)),
)

approvals = Table(
    "approvals",
    metadata,
    _id(),
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), nullable=False, index=True),
    Column("digest", String(64), nullable=False),
    Column("decision", String(12), nullable=False),  # approved | rejected | returned | voided
    Column("reason", Text),
    Column("at", Ms, nullable=False),
    Column("by", String(80), nullable=False),
)

runs = Table(
    "runs",
    metadata,
    _id(),
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), nullable=False),
    Column("carrier", String(40), nullable=False),
    Column("state", String(12), nullable=False),
    Column("priority", SmallInteger, nullable=False, server_default="0"),
    Column("closing", SmallInteger),  # states.NotSent: why what is still queued will not be sent
    Column("started_at", Ms),
    Column("ended_at", Ms),
    Column("created_at", Ms, nullable=False),
    UniqueConstraint("campaign_id", "carrier"),
)

run_batches = Table(
    "run_batches",
    metadata,
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), primary_key=True),
    Column("batch_id", Integer, ForeignKey("batches.id"), primary_key=True),
    Column("run_id", Integer, ForeignKey("runs.id"), nullable=False),
    Column(
        "fanned_upto", Integer, nullable=False, server_default="0"
    ),  # last subscriber seq turned to deliveries
    Column("fanned_all", Boolean, nullable=False, server_default=text("false")),
)

# ---- stage 3: dispatch ----------------------------------------------------------------------------------

lanes = Table(
    "lanes",
    metadata,
    _id(),
    Column("name", String(40), nullable=False, unique=True),
    Column("carrier", String(40), nullable=False),
    Column("receipt_group", String(40), nullable=False),
    Column("group_id", SmallInteger, nullable=False),  # id of the first lane of the receipt group
    Column("segments_per_second", Float, nullable=False),
    Column("receipt_level", SmallInteger, nullable=False),
    Column("state", String(12), nullable=False),
    Column("code", String(40)),
    Column("reason", Text),
    Column("changed_at", Ms, nullable=False),
    Column(
        "next_free_us", BigInteger, nullable=False, server_default="0"
    ),  # pace: when the next segment may go
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
    ),  # bit masks of parts, see states.py
    Column("relayed", SmallInteger, nullable=False, server_default="0"),
    Column("failed", SmallInteger, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),  # passes in which it was deferred
    Column(
        "faults", SmallInteger, nullable=False, server_default="0"
    ),  # of these, those that use up patience
    Column("lane_id", SmallInteger),
    Column("area", String(5)),
    Column("lang", String(8)),
    UniqueConstraint("campaign_id", "phone"),
    postgresql_partition_by="LIST (campaign_id)",
    sqlite_with_rowid=False,
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
    Index(
        "ix_chunks_open",
        "run_id",
        "not_before",
        postgresql_where=text("state < 2"),
        sqlite_where=text("state < 2"),
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
    Column("reference", _Reference),
    Column("code", String(80)),
    Index(
        "ix_submissions_reference",
        "reference",
        "group_id",
        postgresql_where=text("reference IS NOT NULL"),
        sqlite_where=text("reference IS NOT NULL"),
    ),
    postgresql_partition_by="LIST (campaign_id)",
    sqlite_with_rowid=False,
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
    Column("lane_id", SmallInteger),
    Column("group_id", SmallInteger),
    Column("since", Ms, nullable=False),
    Column("why", String(200), nullable=False),
    Column("written_off_by", String(80)),
    Column("asked_at", Ms),  # when the carrier was last asked for it
    Index("ix_unknowns_phone", "phone"),
)

# ---- stage 4: receipts ----------------------------------------------------------------------------------


def _said() -> list[Column[Any]]:
    """What a receipt says, in the words of carriers.contract.Receipt."""
    return [
        Column("received_at", Ms, nullable=False),
        Column("done_at", Ms),
        Column("phone", BigInteger),
        Column("lane_id", SmallInteger, nullable=False),
        Column("group_id", SmallInteger, nullable=False),
        Column("level", SmallInteger, nullable=False),
        Column("reason", SmallInteger, nullable=False),
        Column("status", String(12), nullable=False),  # carriers.contract.ReceiptStatus
        Column("reference", _Reference),
        Column("code", String(80)),
        Column("raw", Text),
    ]


# Append-only journal of the receipts that matched a submission.
receipts = Table(
    "receipts",
    metadata,
    Column("campaign_id", Integer, nullable=False),
    Column("batch_id", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("part", SmallInteger, nullable=False),
    Column("changed", Boolean, nullable=False),  # False: repeated or intermediate; it changed nothing
    *_said(),
    Index("ix_receipts_delivery", "batch_id", "seq"),
    postgresql_partition_by="LIST (campaign_id)",
)

# Receipts that match no submission yet; moved to the journal when one is found.
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("try_at", Ms, nullable=False),  # when the sweep looks again
    *_said(),
    Index("ix_quarantine_reference", "reference", "group_id"),
    Index("ix_quarantine_phone", "phone"),
    Index("ix_quarantine_try_at", "try_at"),
)

# ---- tallies and reports --------------------------------------------------------------------------------

# Append-only changes, summed by whoever reads and folded together by a sweep: writers never wait for a row.
tallies = Table(
    "tallies",
    metadata,
    Column("campaign_id", Integer, nullable=False),
    Column("run_id", Integer, nullable=False),
    Column("batch_id", Integer, nullable=False),
    Column("n", Integer, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("reason", SmallInteger, nullable=False),
    Column("area", String(5)),
    Index("ix_tallies_run", "run_id"),
)

# ---- people and keys ------------------------------------------------------------------------------------

api_keys = Table(
    "api_keys",
    metadata,
    _id(),
    Column("name", String(80), nullable=False, unique=True),
    Column("prefix", String(12), nullable=False, unique=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("role", String(12), nullable=False),
    Column("carrier", String(40)),
    Column("created_at", Ms, nullable=False),
    Column("revoked_at", Ms),
)

audit = Table(
    "audit",
    metadata,
    _id(),
    Column("at", Ms, nullable=False),
    Column("who", String(80), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", String(120), nullable=False),
    Column("detail", JSON, nullable=False),
)

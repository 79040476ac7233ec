"""Tables of what carriers send to us: receipts, result files, status queries, and messages of subscribers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from app.database.models.base import Ms, Reference, metadata, new_id, on_postgresql

# ---- Tables of receipts: the journal, quarantine, status queries to carriers, and result files.


def _receipt_columns() -> list[Column[Any]]:
    return [
        Column("received_at", Ms, nullable=False),
        Column("done_at", Ms),
        Column("phone", BigInteger),
        Column("link_id", SmallInteger, nullable=False),
        Column("group_id", SmallInteger, nullable=False),
        Column("level", SmallInteger, nullable=False),
        Column("reason", SmallInteger, nullable=False),
        Column("status", String(12), nullable=False),  # carriers.contract.ReceiptStatus
        Column("reference", Reference),
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
    Column("changed", Boolean, nullable=False),  # False: repeated or intermediate, without effect
    *_receipt_columns(),
    Column("matched_at", Ms),  # when it left the quarantine, if it waited there
    Index("ix_receipts_delivery", "batch_id", "seq"),
    Index("ix_receipts_link_id_received_at", "link_id", "received_at"),  # for the log: newest of each link
    info=on_postgresql(partition_by="LIST (campaign_id)"),
)

# Receipts that match no submission yet; they move to the journal when they do.
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("try_at", Ms, nullable=False),  # when the sweep tries again
    *_receipt_columns(),
    Index("ix_quarantine_reference", "reference", "group_id"),
    Index("ix_quarantine_phone", "phone"),
    Index("ix_quarantine_try_at", "try_at"),
)

# Status queries to carriers: one row per delivery whose outcome is open.
status_queries = Table(
    "status_queries",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("link_id", SmallInteger, nullable=False),
    Column("since", Ms, nullable=False),  # when it was submitted
    Column("due_at", Ms, nullable=False),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Index("ix_status_queries_link_id_due_at", "link_id", "due_at"),
)

# Chunks, with their pass, whose deliveries have been queued for status queries of a link.
polled_chunks = Table(
    "polled_chunks",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("first_seq", Integer, primary_key=True, autoincrement=False),
    Column("link_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("pass_no", Integer, nullable=False),
)

# Per-link jobs: who runs each, and until when it is leased or not due again.
link_jobs = Table(
    "link_jobs",
    metadata,
    Column("link_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", String(80), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("until", Ms, nullable=False),
)

# A carrier's own result files, each with its reconciliation against the ledger.
receipt_files = Table(
    "receipt_files",
    metadata,
    new_id(),
    Column("carrier", String(40), nullable=False),
    Column("campaign_id", Integer, ForeignKey("campaigns.id")),  # the one it is about, if stated
    Column("level", SmallInteger),  # what it proves by contract; NULL: as much as the sending link
    Column("name", String(200), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("state", String(12), nullable=False),
    Column("error", Text),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("bytes_read", BigInteger, nullable=False, server_default="0"),
    # The last phone whose lines have been applied; NULL while lines are being read, and after the import.
    Column("applied_upto", BigInteger),
    Column("lines", Integer, nullable=False, server_default="0"),
    # Lines by verdict (app/receipts/result_files/verdicts.py); together they count all lines.
    Column("bad", Integer, nullable=False, server_default="0"),
    Column("repeated", Integer, nullable=False, server_default="0"),
    Column("agreed", Integer, nullable=False, server_default="0"),
    Column("settled", Integer, nullable=False, server_default="0"),
    Column("says_delivered", Integer, nullable=False, server_default="0"),
    Column("says_undelivered", Integer, nullable=False, server_default="0"),
    Column("open", Integer, nullable=False, server_default="0"),
    Column("unsent", Integer, nullable=False, server_default="0"),
    Column("unknown", Integer, nullable=False, server_default="0"),
    Column("ambiguous", Integer, nullable=False, server_default="0"),
    Column("first_at", Ms),  # earliest and latest time stated in its lines
    Column("last_at", Ms),
    Column("runs", JSON),  # per run in it: what was sent, listed in the file, and missing there
    Column("owner", String(80)),  # import at work; its lease ends at lease_until
    Column("lease_until", Ms),
    Column("created_at", Ms, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("ended_at", Ms),
    UniqueConstraint("carrier", "sha256"),
)

# Every line of a result file: first as read, then with its verdict and the delivery it is about.
receipt_lines = Table(
    "receipt_lines",
    metadata,
    Column("file_id", Integer, ForeignKey("receipt_files.id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),  # line number in the file
    Column("phone", BigInteger),
    Column("done_at", Ms),
    Column("status", String(12)),  # carriers.contract.ReceiptStatus
    Column("reason", SmallInteger, nullable=False, server_default="0"),  # carriers.contract.Reason
    Column("said", String(80), nullable=False),  # the carrier's word; for a bad line its content, masked
    Column("code", String(80)),
    Column("reference", String(80)),  # message id, the carrier's or ours
    Column("why", String(40)),  # for a bad line: a key of app/receipts/result_files/line_parser.py
    Column("verdict", String(16)),
    Column("campaign_id", Integer),
    Column("batch_id", Integer),
    Column("seq", Integer),
    Index("ix_receipt_lines_file_id_phone", "file_id", "phone"),
    sqlite_with_rowid=False,
)

# ---- Inbound messages; each row is committed before the carrier gets its acknowledgement.

# Append-only. Ids are in commit order, so whoever reads on from the last id misses nothing.
inbound_messages = Table(
    "inbound_messages",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("received_at", Ms, nullable=False, index=True),
    Column("link_id", SmallInteger, nullable=False),
    Column("phone", BigInteger),  # sender; NULL if not a Vietnamese mobile number
    Column("source", Text),  # in that case the address as received
    Column("destination", Text, nullable=False),  # the short code or number it was sent to
    Column("coding", SmallInteger, nullable=False),  # data_coding as received
    Column("text", Text, nullable=False),
    Column("octets", Text),  # hexadecimal, if the text does not represent all of it
    Column("part_reference", Integer),  # shared by all parts of a long message
    Column("part_number", SmallInteger),
    Column("part_total", SmallInteger),
    Column("repeat_of", BigInteger),  # first message with the same content shortly before, perhaps resent
    Column("digest", BigInteger, nullable=False),  # over sender, destination, content and link group
    Column("kind", String(8)),  # app/inbound/reply_kinds.py: ReplyKind; NULL: older row
    Column("arrival", String(40), nullable=False, unique=True),  # a commit may be repeated by it
    Index("ix_inbound_messages_digest", "digest"),
    Index("ix_inbound_messages_link_id_id", "link_id", "id"),
    Index("ix_inbound_messages_kind_id", "kind", "id"),
    Index("ix_inbound_messages_phone_received_at", "phone", "received_at"),
    sqlite_autoincrement=True,  # ids of erased rows are not reused
)

"""Stage 4: receipts, those that match nothing yet, what carriers are asked, and their result files."""

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
    Column("changed", Boolean, nullable=False),  # False: repeated or intermediate; it changed nothing
    *_said(),
    Column("matched_at", Ms),  # when it left the quarantine, for those that waited there
    Index("ix_receipts_delivery", "batch_id", "seq"),
    Index("ix_receipts_lane_id_received_at", "lane_id", "received_at"),  # the log: the newest of each lane
    info=on_postgresql(partition_by="LIST (campaign_id)"),
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

# What the carriers will be asked about: one row for each delivery, as long as its fate is open.
questions = Table(
    "questions",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("lane_id", SmallInteger, nullable=False),
    Column("since", Ms, nullable=False),  # when it was handed over
    Column("due_at", Ms, nullable=False),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Index("ix_questions_lane_id_due_at", "lane_id", "due_at"),
)

# The chunks, and the pass of each, whose deliveries have been put among the questions of a lane.
polled_chunks = Table(
    "polled_chunks",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("first_seq", Integer, primary_key=True, autoincrement=False),
    Column("lane_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("pass_no", Integer, nullable=False),
)

# Works that one process at a time does for a lane: who does, and until when it is theirs or not due again.
errands = Table(
    "errands",
    metadata,
    Column("lane_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", String(80), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("until", Ms, nullable=False),
)

# A carrier's own result files, each with the table that reconciles it with the ledger.
receipt_files = Table(
    "receipt_files",
    metadata,
    new_id(),
    Column("carrier", String(40), nullable=False),
    Column("campaign_id", Integer, ForeignKey("campaigns.id")),  # the one it speaks of, where that was said
    Column("level", SmallInteger),  # what it proves by contract; None: as much as the link that sent
    Column("name", String(200), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("state", String(12), nullable=False),
    Column("error", Text),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("bytes_read", BigInteger, nullable=False, server_default="0"),
    # The last phone whose lines have been applied; None while lines are still being read.
    Column("applied_upto", BigInteger),
    Column("lines", Integer, nullable=False, server_default="0"),
    # What became of the lines (app/receipts/result_files/verdicts.py); with these all lines are told.
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
    Column("first_at", Ms),  # the earliest and the latest time that its lines state
    Column("last_at", Ms),
    Column("runs", JSON),  # for each run that it speaks of: what was sent, named in the file, missing there
    Column("owner", String(80)),  # the import at work, and until when it is thought alive
    Column("lease_until", Ms),
    Column("created_at", Ms, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("ended_at", Ms),
    UniqueConstraint("carrier", "sha256"),
)

# Every line of such a file: first as it was read, then with its verdict and the delivery that it speaks of.
receipt_lines = Table(
    "receipt_lines",
    metadata,
    Column("file_id", Integer, ForeignKey("receipt_files.id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),  # line number in the file
    Column("phone", BigInteger),
    Column("done_at", Ms),
    Column("status", String(12)),  # carriers.contract.ReceiptStatus
    Column("reason", SmallInteger, nullable=False, server_default="0"),  # carriers.contract.Reason
    Column("said", String(80), nullable=False),  # the carrier's word; of a bad line what stood there, masked
    Column("code", String(80)),
    Column("reference", String(80)),  # the carrier's id of the message, or ours
    Column("why", String(40)),  # of a bad line: a key of app/receipts/result_files/line_parser.py
    Column("verdict", String(16)),
    Column("campaign_id", Integer),
    Column("batch_id", Integer),
    Column("seq", Integer),
    Index("ix_receipt_lines_file_id_phone", "file_id", "phone"),
    sqlite_with_rowid=False,
)

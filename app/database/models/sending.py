"""Tables of sending: links, deliveries, their attempts and receipts, and messages to us."""

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
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from app.database.models.base import Ms, Reference, metadata, new_id, on_postgresql

# ---- Tables of dispatch: links, deliveries, chunks, submissions and unknown deliveries.

links = Table(
    "links",
    metadata,
    new_id(),
    Column("name", String(40), nullable=False, unique=True),
    Column("carrier", String(40), nullable=False),
    Column("receipt_group", String(40), nullable=False),
    Column("account", String(200)),  # address and login; links with the same ones are the same account
    # Hash of what the link's settings make of a text (app/runtime/worker.py); NULL: older row.
    Column("content_hash", String(64)),
    Column("group_id", SmallInteger, nullable=False),  # id of the first link of the receipt group or account
    Column("segments_per_second", Float, nullable=False),
    Column("receipt_level", SmallInteger, nullable=False),
    # The carrier gives one reference and one receipt per message, whatever its number of parts.
    Column("one_receipt", Boolean, nullable=False, server_default=text("false")),
    Column("state", String(12), nullable=False),
    Column("code", String(40)),
    Column("reason", Text),
    Column("changed_at", Ms, nullable=False),
    Column("left_at", Ms),  # since when the settings of its host no longer name the link
)

# The pace: when the link's next segment may go. Each half that is sent writes it, and while somebody keeps a
# snapshot open PostgreSQL removes no version of the row: reads of `links` would have to pass them all.
link_pace = Table(
    "link_pace",
    metadata,
    Column("link_id", SmallInteger, ForeignKey("links.id"), primary_key=True, autoincrement=False),
    Column("next_free_us", BigInteger, nullable=False, server_default="0"),
)

# A process that has not reported its link for this long no longer has it open.
LINK_GONE_AFTER_MS = 30_000
# A process or host that has reported nothing for this long is not coming back.
LINK_FORGOTTEN_AFTER_MS = 7 * 86_400_000
# State of each link in each process that has it open; a row that is not renewed belongs to a dead process.
link_health = Table(
    "link_health",
    metadata,
    Column("link_id", SmallInteger, ForeignKey("links.id"), primary_key=True, autoincrement=False),
    Column("holder", String(80), primary_key=True),  # the send loop, as `owner` of its chunks
    Column("seen_at", Ms, nullable=False),  # last report of the process, by the shared clock
    Column("connected_since", Ms),
    Column("lost_since", Ms),
    Column("answered_at", Ms),  # the newest answer to a message
    Column("refused_at", Ms),
    Column("refusal", String(200)),  # last reason for a refusal or loss
    Column("held", String(200)),  # why only single messages are sent
    Column("remark", String(200)),  # what a person should look at although messages are sent
    Column("refusing_since", Ms),  # since when the carrier defers everything
    Column("waiting_since", Ms),  # since when messages wait for answers, once that is long
    sqlite_with_rowid=False,
)

# Carriers' calls that were refused only because of their time stamp.
webhook_clocks = Table(
    "webhook_clocks",
    metadata,
    Column("link_id", SmallInteger, ForeignKey("links.id"), primary_key=True, autoincrement=False),
    Column("first_at", Ms, nullable=False),  # since when all are refused
    Column("last_at", Ms, nullable=False),
    Column("over_at", Ms),  # when one was accepted again
    Column("times", Integer, nullable=False),  # in total
    Column("ahead_s", Integer, nullable=False),  # how far the carrier's clock is ahead, by the newest call
)

# Segments that active runs had sent at the worker's last counts; their rate is computed from these.
run_counts = Table(
    "run_counts",
    metadata,
    new_id(),
    Column("run_id", Integer, nullable=False, index=True),
    Column("at", Ms, nullable=False),
    Column("segments", BigInteger, nullable=False),
)

# Identity of this database as Ledger.home gives it, and since when; the newest row counts. After a restore
# the identity changes, and no link sends until a person has confirmed.
database_identity = Table(
    "database_identity",
    metadata,
    new_id(),
    Column("home", String(60), nullable=False),
    Column("since", Ms, nullable=False),
    Column("by", String(80), nullable=False),
)

# Eight-byte columns first. No index on changing columns, and pages a third full, keep updates HOT.
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
    Column("segments", SmallInteger, nullable=False, server_default="1"),  # billed SMS parts
    # Expected receipts: 1 with message_payload
    Column("parts", SmallInteger, nullable=False, server_default="1"),
    # Bit masks of parts, see core/states.py
    Column("delivered", SmallInteger, nullable=False, server_default="0"),
    Column("relayed", SmallInteger, nullable=False, server_default="0"),
    Column("failed", SmallInteger, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),  # last pass that deferred it
    # Deferrals that count towards MAX_FAULTS
    Column("faults", SmallInteger, nullable=False, server_default="0"),
    Column("link_id", SmallInteger),
    Column("area", String(5)),
    # How often a person had it sent again while unknown: the maximum number of extra copies.
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
    Column("state", SmallInteger, nullable=False, server_default="0"),  # core.states.ChunkState
    Column("watermark", Integer, nullable=False),  # last seq reserved for sending in this pass
    Column("pass_no", Integer, nullable=False, server_default="1"),
    Column("attempt", Integer, nullable=False, server_default="0"),  # fencing: counts claims
    Column("not_before", Ms, nullable=False, server_default="0"),
    Column("owner", String(80)),
    Column("link_id", SmallInteger),
    Column("lease_until", Ms),
    Column("taken_at", Ms),  # when a link first claimed it; nothing was sent before
    Column("stamp", String(64)),  # MAC over its lines as queued, by a key outside the database
    Index(
        "ix_chunks_open",
        *("run_id", "not_before", "batch_id", "first_seq"),  # the order in which they are claimed
        sqlite_where=text("state < 2"),
        info=on_postgresql(where="state < 2"),
    ),
    sqlite_with_rowid=False,
)

# Append-only: one row per part and attempt.
submissions = Table(
    "submissions",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("part", SmallInteger, primary_key=True, autoincrement=False),
    Column("at", Ms, nullable=False),
    Column("link_id", SmallInteger, nullable=False),
    Column("group_id", SmallInteger, nullable=False),
    Column("result", SmallInteger, nullable=False),  # ledger.contract.ResultKind
    Column("reference", Reference),
    Column("code", String(80)),
    Column("network", String(20)),  # serving network, according to the carrier that refused the number
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

# Work list of the deliveries in state UNKNOWN, usually short.
unknowns = Table(
    "unknowns",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("run_id", Integer, nullable=False, index=True),
    Column("phone", BigInteger, nullable=False),
    Column("attempt", Integer),  # of the lease that may have sent it; NULL: nobody can say
    Column("link_id", SmallInteger),
    Column("group_id", SmallInteger),
    Column("since", Ms, nullable=False),
    Column("why", String(200), nullable=False),
    Column("written_off_by", String(80)),
    Column("asked_at", Ms),  # when the carrier was last asked about it
    Index("ix_unknowns_phone", "phone"),
)

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

# ---- Journal of changes that no submission and no receipt records.

state_events = Table(
    "state_events",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("batch_id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Ms, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),  # ledger.contract.StateEvent
    Column("reason", SmallInteger, nullable=False, server_default="0"),
    Column("submitted_at", Ms),  # of the sending that a requeue takes back
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

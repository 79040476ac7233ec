"""Tables of sending: links, deliveries, chunks, submissions, unknown deliveries, and other changes."""

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

from app.database.models.base import Ms, Reference, metadata, new_id, on_postgresql, only_on

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
    Column("receipts_early_min", SmallInteger),  # its receipts state their times so much too early
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
    Column("probing", String(200)),  # why only single messages are sent
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
    # Only on SQLite, where receipts find their message by it (app/ledger/receipt_matching.py).
    Column("reference_hash", BigInteger),
    Index(
        "ix_submissions_reference",
        "reference",
        "group_id",
        info=on_postgresql(where="reference IS NOT NULL") | only_on("postgresql"),
    ),
    Index(
        "ix_submissions_reference_hash",
        "reference_hash",
        sqlite_where=text("reference_hash IS NOT NULL"),
        info=only_on("sqlite"),
    ),
    sqlite_with_rowid=False,
    info=on_postgresql(partition_by="LIST (campaign_id)"),
)

# When the last message of a campaign was recorded, on PostgreSQL, where each campaign has a table of
# submissions: receipts of a later message are not looked for there. True while its runs' `ended_at` have this
# sum, that is until one goes on; what is recorded in between raises it. all_named: each message that the
# carrier has or may have bears an id, so no receipt with another id means one of them.
last_submissions = Table(
    "last_submissions",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("ended", BigInteger, nullable=False),
    Column("at", Ms, nullable=False),
    Column("all_named", Boolean, nullable=False, server_default=text("false")),
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

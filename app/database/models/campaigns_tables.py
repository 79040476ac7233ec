"""Tables of directives, campaigns, runs and batches, of notices, and of what privacy asks for."""

from __future__ import annotations

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
    text,
)

from app.database.models.base import Ms, metadata, new_id, on_postgresql

# ---- Tables of campaigns: directives, campaigns, approvals, runs and their audiences.

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
    Column("legal_basis", Text, nullable=False, server_default=""),
    Column("contact", String(300), nullable=False, server_default=""),  # whom addressees may ask
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
    # The Vietnamese text with its diacritics, NFC; NULL: an older row.
    Column("wording", Text),
    # "" -> exact text to send, pinned, NFC; derived from it. Before 0066 there could be others by language,
    # for the areas that text_areas names; approvals signed both.
    Column("texts", JSON, nullable=False),
    Column("text_areas", JSON, nullable=False, server_default="{}"),
    Column("window_start", Ms),
    Column("window_end", Ms),
    Column("day_starts", String(5), nullable=False),
    Column("day_ends", String(5), nullable=False),
    Column("budget_segments", BigInteger),  # the most SMS parts; NULL: as much as it takes
    # What an approval of before 0063 signed in place of it, when a budget could be in đồng; NULL: any other.
    Column("budget_dong", BigInteger),
    Column("budget_signed", BigInteger),
    Column("budget_of", Integer),  # the campaign whose budget a follow-up shares
    Column("state", String(12), nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("created_at", Ms, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("submitted_by", String(80)),
    Column("editors", JSON, nullable=False, server_default="[]"),  # who changed it and so may not approve it
    Column("behind", JSON, nullable=False, server_default="[]"),  # who stood behind them then; likewise
    # Of answers to citizens, of before 0060. With answers_of: answers of a week, under that approved text;
    # alone: an answer text, which has no run of its own.
    Column("answers_to", String(12)),
    Column("answers_of", Integer),
    # What a carrier played in a campaign of before 0059, as its approval signed it; no sound is kept.
    Column("recordings", JSON(none_as_null=True)),
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

# What one person asks and another approves: app/security/approval_requests.py. id: of its act in the audit.
approval_requests = Table(
    "approval_requests",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),
    Column("subject", String(120), nullable=False, index=True),
    Column("wanted", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_by", String(80), nullable=False),
    Column("behind", JSON, nullable=False),  # who stood behind who asked, then
    Column("asked_at", Ms, nullable=False),
    Column("approved_by", String(80)),
    Column("approved_at", Ms),
    Column("state", String(12), nullable=False),
    Column("result", JSON, nullable=False),
    # MAC over the other columns, by a key outside the database; NULL: written without one
    Column("stamp", String(64)),
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
    # Why it has paused itself (app/campaigns/suspensions.py); NULL: it has not, or goes on since.
    Column("suspended", JSON(none_as_null=True)),
    # Whether a message of it went out, noted as its totals are erased; NULL: its tallies tell.
    Column("any_sent", Boolean),
    Column("judged_from", Ms),  # when it last went on: what was sent before is not judged again
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
    Index("ix_run_batches_batch_id", "batch_id"),  # whose rounds go back to a batch: ledger/unreached.py
)

# Audience held by the carrier itself: its numbers never come here, only figures come back.
audiences = Table(
    "audiences",
    metadata,
    Column("run_id", Integer, ForeignKey("runs.id"), primary_key=True, autoincrement=False),
    Column("areas", JSON, nullable=False),  # codes; empty: the whole province
    Column("area_basis", String(24), nullable=False),  # areas.Basis
    Column("estimated", Integer, nullable=False),  # estimated number of subscribers
    # Of runs of before 0059, whose carrier called and played a recording: it sent no message.
    Column("spoken", Boolean, nullable=False, server_default=text("false")),
)

# ---- Tables of batches: their subscribers, and lines that gave none.

batches = Table(
    "batches",
    metadata,
    new_id(),
    Column("carrier", String(40), nullable=False),
    Column("name", String(200), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("rows_sha256", String(64)),  # of the subscribers as imported; NULL: older row
    Column("state", String(12), nullable=False),
    Column("error", Text),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("bytes_read", BigInteger, nullable=False, server_default="0"),
    Column("lines", Integer, nullable=False, server_default="0"),
    Column("accepted", Integer, nullable=False, server_default="0"),
    Column("rejected", Integer, nullable=False, server_default="0"),
    Column("repeated", Integer, nullable=False, server_default="0"),
    Column("other_range", Integer, nullable=False, server_default="0"),  # numbers of another carrier's ranges
    Column("owner", String(80)),  # import at work; its lease ends at lease_until
    Column("lease_until", Ms),
    Column("created_at", Ms, nullable=False),
    Column("created_by", String(80), nullable=False),
    # Other accounts that uploaded the same file since: app/campaigns/approval.py.
    Column("again_by", JSON, nullable=False, server_default="[]"),
    UniqueConstraint("carrier", "sha256"),
)

subscribers = Table(
    "subscribers",
    metadata,
    Column("batch_id", Integer, ForeignKey("batches.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),  # line number in the file
    Column("phone", BigInteger, nullable=False),
    Column("area", String(5)),
    sqlite_with_rowid=False,
)

# What a batch is made of if not of a file: those whom earlier campaigns did not reach.
follow_ups = Table(
    "follow_ups",
    metadata,
    Column("batch_id", Integer, ForeignKey("batches.id"), primary_key=True, autoincrement=False),
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), nullable=False, index=True),  # made for it
    Column("outcomes", JSON, nullable=False),  # app/ledger/unreached.py: Outcome
    Column("areas", JSON, nullable=False),  # codes; empty: everywhere
)

follow_up_sources = Table(
    "follow_up_sources",
    metadata,
    Column("batch_id", Integer, ForeignKey("follow_ups.batch_id"), primary_key=True),
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), primary_key=True, index=True),
)

bad_lines = Table(
    "bad_lines",
    metadata,
    Column("batch_id", Integer, ForeignKey("batches.id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("reason", String(40), nullable=False),  # a key of app/core/phone.py REASONS or app/batches
    Column("value", String(80), nullable=False),  # content of the line, masked
    sqlite_with_rowid=False,
)

# ---- Do-not-send list, what it left out, and erasures with their certificates.

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
    # The page's list: the newest of one carrier, and those of some days.
    Index("ix_do_not_send_carrier_id", "carrier", "id"),
    Index("ix_do_not_send_added_at", "added_at"),
)

# A seal on each carrier's list, which shows rows that were removed or added outside Loa.
opt_out_seals = Table(
    "opt_out_seals",
    metadata,
    Column("carrier", String(40), primary_key=True),
    Column("version", Integer, nullable=False),  # grows with each change, and stands in the act of the audit
    Column("numbers", Integer, nullable=False),
    Column("total", String(32), nullable=False),  # sum of keyed hashes, masked: ledger/opt_out_seal.py
    Column("stamp", String(64), nullable=False),
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

# Persons reached by each campaign of a directive at the time when numbers under it were erased.
kept_reach = Table(
    "kept_reach",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("carrier", String(40), primary_key=True),
    Column("area", String(5), primary_key=True),  # empty: unknown
    Column("first", Integer, nullable=False),  # not reached by an earlier campaign of the directive
    Column("repeated", Integer, nullable=False),
)

# ---- Outbox of notifications: one row per message, with its own due time and lease.

notices = Table(
    "notices",
    metadata,
    new_id(),
    Column("key", String(200), nullable=False, unique=True),  # content and recipient: never sent twice
    Column("kind", String(60), nullable=False),  # such as directive.due
    Column("channel", String(8), nullable=False),  # email | webhook
    Column("target", String(254), nullable=False),  # e-mail address, or name of an endpoint in the settings
    Column("payload", JSON, nullable=False),
    Column("state", String(8), nullable=False),  # waiting | sent | failed
    Column("due_at", Ms, nullable=False),
    Column("tries", SmallInteger, nullable=False, server_default="0"),
    Column("owner", String(80)),  # sending process; its lease ends at lease_until
    Column("lease_until", Ms),
    Column("error", Text),
    Column("created_at", Ms, nullable=False),
    Column("sent_at", Ms),
    Column("stamp", String(64)),  # MAC over what is sent and to whom; NULL: no key
    Index("ix_notices_state_due_at", "state", "due_at"),
    Index("ix_notices_created_at", "created_at"),
)

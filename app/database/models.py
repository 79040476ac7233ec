"""All tables, by stage. Stages hand over work through tables and never call each other.

Times are milliseconds since 1970 (UTC) in 8 bytes on both engines; phones are the digits 84xxxxxxxxx as a
number. On PostgreSQL the three large tables are partitioned by campaign, so that retention is a DROP.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
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
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

from carriers.phrases import Phrase, kept

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ONLY_ON = "only_on"
Ms = BigInteger  # milliseconds since 1970, UTC
Reference = Text().with_variant(Text(collation="C"), "postgresql")


LONGEST_WHY = 200  # characters of why a message is unknown


class PhraseText(TypeDecorator[Phrase]):
    """A sentence for people that is translated when it is shown: it keeps its template and values apart."""

    impl = Text
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return Text() if self.length is None else String(self.length)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else kept(value, self.length)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Phrase | None:
        return None if value is None else Phrase.from_json(value)


def on_postgresql(**options: str) -> dict[str, object]:
    """Return `info` of a table or index with options that migrations apply on PostgreSQL only.

    SQLAlchemy's own `postgresql_...` arguments would load that dialect, 0.1 s, in every command on SQLite.
    """
    return {f"postgresql_{name}": said for name, said in options.items()}


def only_on(engine: str) -> dict[str, object]:
    """Return `info` of an index that migrations make on this engine alone."""
    return {ONLY_ON: engine}


def new_id() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


# ---- Tables of people, API keys, sessions and the audit log.

api_keys = Table(
    "api_keys",
    metadata,
    new_id(),
    Column("name", String(80), nullable=False, unique=True),
    Column("prefix", String(12), nullable=False, unique=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("role", String(12), nullable=False),
    Column("carrier", String(40)),
    Column("created_at", Ms, nullable=False),
    Column("revoked_at", Ms),
    Column("made_by", String(80), nullable=False, server_default=""),
    Column("expires_at", Ms),
    Column("last_used_at", Ms),  # to the minute
    # The key before its rotation, valid until `previous_until`.
    Column("previous_prefix", String(12), unique=True),
    Column("previous_hash", LargeBinary),
    Column("previous_until", Ms),
    # Who has had a secret of it: security/credential_provenance.py
    Column("behind", JSON, nullable=False, server_default="[]"),
    # MAC over its permissions, by a key outside the database: security/account_stamps.py
    Column("stamp", String(64)),
)

people = Table(
    "people",
    metadata,
    new_id(),
    Column("name", String(40), nullable=False, unique=True),
    Column("role", String(12), nullable=False),
    Column("carrier", String(40)),
    Column("password_hash", String(200), nullable=False),
    Column("totp_secret", String(400)),  # encrypted if there is a key
    Column("totp_since", Ms),  # NULL: handed out, but not yet confirmed by a code
    Column("totp_step", Integer, nullable=False, server_default="0"),  # of the last code used
    Column("created_at", Ms, nullable=False),
    Column("disabled_at", Ms),
    # Who gave the password: security/credential_provenance.py
    Column("behind", JSON, nullable=False, server_default="[]"),
    # MAC over its permissions, by a key outside the database: security/account_stamps.py
    Column("stamp", String(64)),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    new_id(),
    Column("person_id", Integer, ForeignKey("people.id"), nullable=False, index=True),
    Column("code_hash", LargeBinary, nullable=False),
    Column("stamp", String(64)),
)

sessions = Table(
    "sessions",
    metadata,
    new_id(),
    Column("person_id", Integer, ForeignKey("people.id"), nullable=False, index=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("created_at", Ms, nullable=False),
    Column("seen_at", Ms, nullable=False),  # to the minute
    Column("address", String(45), nullable=False, server_default=""),  # of the sign-in
    Column("stamp", String(64)),
)

# Failed sign-ins by name and by address, and addresses a name has signed in from. Keys are hashed, because
# people often type their password as a name.
login_attempts = Table(
    "login_attempts",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("until", Ms, nullable=False),
    Column("at", Ms, nullable=False),
)

# Append-only, with ids without gaps; each row's hash covers its content and the previous row's hash
# (app/security/audit.py).
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", Ms, nullable=False),
    Column("who", String(80), nullable=False),
    Column("origin", String(120), nullable=False, server_default=""),  # address, or host of the command line
    Column("action", String(60), nullable=False),
    Column("subject", String(120), nullable=False, index=True),
    Column("detail", JSON, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("seal", String(64)),  # MAC over hash and content, by a key outside the database; NULL: no key
    Index("ix_audit_at", "at"),
)

# ---- Stored responses of requests with an Idempotency-Key.

# Written in the same transaction as the action, so that neither exists without the other.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("caller", String(80), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("request", String(64), nullable=False),  # SHA-256 of method, address and body
    Column("status", SmallInteger, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", Ms, nullable=False),
    Index(None, "at"),
)

# ---- Unexpected errors: one row per part and affected row, shown until `red_until`.

faults = Table(
    "faults",
    metadata,
    Column("source", String(80), primary_key=True),  # the affected part of Loa
    Column("subject", String(120), primary_key=True),  # the affected row; "": the part itself
    Column("reason", String(300), nullable=False),
    Column("first_at", Ms, nullable=False),
    Column("last_at", Ms, nullable=False),
    Column("times", Integer, nullable=False),
    Column("red_until", Ms, nullable=False),
)

# Background work: who does it, until when, when it is due, and how often it was begun (app/database/jobs.py).
jobs = Table(
    "jobs",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("subject", String(120), primary_key=True),  # what it is about; "": the only one of its kind
    Column("due_at", Ms, nullable=False),
    Column("owner", String(80)),  # process at work; its lease ends at lease_until
    Column("lease_until", Ms),
    Column("tries", Integer, nullable=False, server_default="0"),  # begun since it last ended well
    Column("error", String(300)),  # why it failed last
    sqlite_with_rowid=False,
)

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
    # Why it has paused itself (app/campaigns/queries.py); NULL: it has not, or goes on since.
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
    Column("error", PhraseText),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("bytes_read", BigInteger, nullable=False, server_default="0"),
    Column("lines", Integer, nullable=False, server_default="0"),
    Column("accepted", Integer, nullable=False, server_default="0"),
    Column("rejected", Integer, nullable=False, server_default="0"),
    Column("repeated", Integer, nullable=False, server_default="0"),
    Column("other_range", Integer, nullable=False, server_default="0"),  # numbers of another carrier's ranges
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
    Column("causes", JSON, nullable=False, server_default="[]"),  # Cause; empty: all of the outcomes
    Column("areas", JSON, nullable=False),  # codes; empty: everywhere
)

follow_up_sources = Table(
    "follow_up_sources",
    metadata,
    Column("batch_id", Integer, ForeignKey("follow_ups.batch_id"), primary_key=True),
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), primary_key=True, index=True),
)

# A campaign whose order replaces that of an earlier one: a round of it, over lists of its own.
replacements = Table(
    "replacements",
    metadata,
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), primary_key=True, autoincrement=False),
    Column("replaced_id", Integer, ForeignKey("campaigns.id"), primary_key=True, index=True),
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
    Index("ix_erasures_kind_subject_id", "kind", "subject_id"),
    # Read with every group of receipts: which campaigns are closed to them.
    Index(
        "ix_erasures_open",
        "kind",
        sqlite_where=text("ended_at IS NULL"),
        info=on_postgresql(where="ended_at IS NULL"),
    ),
)

# A run's measured report, or a directive's reach, as it was at a moment (app/reports/counting/snapshots.py).
snapshots = Table(
    "snapshots",
    metadata,
    Column("kind", String(9), primary_key=True),  # run | directive
    Column("subject_id", Integer, primary_key=True, autoincrement=False),
    Column("cutoff_at", Ms, primary_key=True, autoincrement=False),  # when it was really taken
    # The time of the last change that it had certainly seen, and how many changes have this time or an
    # earlier one: more of them later, and the clock was set back. NULL: taken before changes were counted.
    Column("settled_at", Ms, nullable=False),
    Column("changes_seen", BigInteger),
    Column("set_aside_at", Ms),  # by a repair: the clock was ahead when it was taken
    Column("due_at", Ms),  # the midnight or deadline that it is for
    Column("cause", String(8), nullable=False),  # midnight | deadline | freeze | erasure
    Column("mark", String(64), nullable=False),  # hash of the run's state and tallies; empty of a directive
    Column("figures", Text, nullable=False),  # JSON, as hashed
    Column("sha256", String(64), nullable=False),
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
    Column("error", PhraseText),
    Column("created_at", Ms, nullable=False),
    Column("sent_at", Ms),
    Column("stamp", String(64)),  # MAC over what is sent and to whom; NULL: no key
    Index("ix_notices_state_due_at", "state", "due_at"),
    Index("ix_notices_created_at", "created_at"),
)


# phone is NULL once the request is answered, so that an answered one holds no number.
person_requests = Table(
    "person_requests",
    metadata,
    new_id(),
    Column("kind", String(10), nullable=False),  # app/privacy/person_requests.py: RequestKind
    Column("phone", BigInteger),
    Column("masked", String(20), nullable=False),
    Column("came_on", Integer, nullable=False),  # date.toordinal(), Vietnam, and so is due_on
    Column("due_on", Integer, nullable=False),
    Column("reference", String(200), nullable=False),  # how it came: a letter's number, a call
    Column("recorded_at", Ms, nullable=False),
    Column("recorded_by", String(80), nullable=False),
    Column("outcome", String(10)),  # RequestOutcome; NULL: open
    Column("answered_at", Ms),
    Column("answered_by", String(80)),
    Column("answer", Text),  # why, in the words of who answered
    Column("paper", Text),  # in Vietnamese, for who asked
    Column("sha256", String(64)),  # of the paper
    Column("seal", String(64)),  # over the paper by the secret_key; NULL without one
    Index("ix_person_requests_outcome_due_on", "outcome", "due_on"),
)
# One row: how far the shared clock is trusted (app/database/clock_leaps.py).
trusted_clock = Table(
    "trusted_clock",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("trusted_at", Ms, nullable=False),  # the last time that was recorded and trusted
    Column("noted_at", Ms, nullable=False),  # when a process last looked, by the shared clock
    Column("leapt_at", Ms),  # the time to which it has leapt; NULL while it is trusted
    Column("lasted_ms", BigInteger, nullable=False, server_default="0"),  # of running since the leap
)

# The longest terms since the last confirmation; shorter ones wait for it (app/privacy/terms_in_force.py).
retention_terms = Table(
    "retention_terms",
    metadata,
    new_id(),
    Column("days", Integer, nullable=False),
    Column("months", Integer, nullable=False),
    Column("since", Ms, nullable=False),
)


# Messages of a run that the carrier had answered by then, and of these the refused and the unknown ones.
outcome_counts = Table(
    "outcome_counts",
    metadata,
    new_id(),
    Column("run_id", Integer, nullable=False, index=True),
    Column("at", Ms, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("unknown", BigInteger, nullable=False),
)

# Failures by receipts, under the fifth of a second in which the message was sent; appended with the receipts.
late_failures = Table(
    "late_failures",
    metadata,
    new_id(),
    Column("run_id", Integer, nullable=False, index=True),
    Column("sent_at", Ms, nullable=False),
    Column("n", SmallInteger, nullable=False),
)

# What a run has sent on the newest day of Vietnam on which it sent: messages before it, and by now. Rows of
# former days stay until the run is over.
daily_counts = Table(
    "daily_counts",
    metadata,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("day", Integer, nullable=False),  # date.toordinal()
    Column("before", BigInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
)


# One row for each campaign that has a budget of its own (campaigns.budget_*): what is reserved for sending,
# sent or perhaps sent, of it and of the follow-ups that share it. Changed in the transaction that reserves.
budgets = Table(
    "budgets",
    metadata,
    Column("campaign_id", Integer, primary_key=True, autoincrement=False),
    Column("segments", BigInteger, nullable=False, server_default="0"),
    Column("wanted", Integer),  # SMS parts of the next message that did not fit; NULL: each has fitted so far
)

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
    Column("reason", PhraseText),
    Column("changed_at", Ms, nullable=False),
    Column("left_at", Ms),  # since when the settings of its host no longer name the link
    Column("receipts_early_min", SmallInteger),  # its receipts state their times so much too early
    Column("level_source", String(300)),  # who said what its receipts prove; NULL: nobody
    Column("level_source_on", String(10)),  # the day on which that was said
    # Whether it sends the code of a registered template along, without which the carrier refuses.
    Column("needs_template_code", Boolean, nullable=False, server_default=text("false")),
    Column("sender_in_text", Boolean),  # whether the carrier refuses texts without it; NULL: not known
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
    Column("refusal", PhraseText(200)),  # last reason for a refusal or loss
    Column("probing", PhraseText(200)),  # why only single messages are sent
    Column("remark", PhraseText(200)),  # what a person should look at although messages are sent
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
    # In ledgers from before rounds: how often a person had it sent again while unknown.
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
    Column("why", PhraseText(LONGEST_WHY), nullable=False),
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
    Column("error", PhraseText),
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

# ---- Tables of reports: tallies, and figures that no receipt measured.

# Append-only changes, summed by readers and folded by a sweep, so that writers never wait for a row.
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
    # True for the single folded row of a key; newer changes are separate rows.
    Column("folded", Boolean, nullable=False, server_default=text("false")),
    Index("ix_tallies_run", "run_id"),
    Index(
        "ix_tallies_new",
        "run_id",
        sqlite_where=text("NOT folded"),
        info=on_postgresql(where="NOT folded"),
    ),
    Index(
        "ix_tallies_folded",
        *("run_id", "state", "reason", "batch_id", "campaign_id", "area"),
        unique=True,
        sqlite_where=text("folded"),
        info=on_postgresql(where="folded"),
    ),
    Index(
        "ix_tallies_folded_nowhere",
        *("run_id", "state", "reason", "batch_id", "campaign_id"),
        unique=True,
        sqlite_where=text("folded AND area IS NULL"),
        info=on_postgresql(where="folded AND area IS NULL"),
    ),
)

# Scans that support unmeasured figures, in the database so that one backup has both. One row per account and
# file, with that account's name for it: nobody learns what another account calls the same bytes.
attachments = Table(
    "attachments",
    metadata,
    new_id(),
    Column("sha256", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("media_type", String(40), nullable=False),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Ms, nullable=False),
    Column("created_by", String(80), nullable=False),
    UniqueConstraint("sha256", "created_by"),
)


def _document_columns() -> list[Column[Any]]:
    """Columns of every incoming document: its number and date, arrival, and the reason for a correction."""
    return [
        Column("version", Integer, nullable=False),  # a correction is a new version, nothing is overwritten
        Column("reason", Text),  # why this version corrects the previous one
        Column("source", String(12), nullable=False),  # api | command | workbook
        Column("number", String(60)),
        Column("dated_on", String(10)),
        Column("received_at", Ms, nullable=False),
        Column("note", Text),
        Column("attachment_id", Integer, ForeignKey("attachments.id")),
        Column("at", Ms, nullable=False),
        Column("by", String(80), nullable=False),
    ]


# A carrier's statement on its run, entered by the carrier or copied from its document.
statements = Table(
    "statements",
    metadata,
    new_id(),
    Column("run_id", Integer, ForeignKey("runs.id"), nullable=False),
    Column("kind", String(8), nullable=False),  # stated | manual; measured figures are in the tallies
    Column("level", SmallInteger, nullable=False),  # the most its receipts prove, by the carrier's word
    Column("figures", JSON, nullable=False),  # Figures of forms 1 to 4 (carrier_statement.py)
    Column("began_at", Ms),
    Column("ended_at", Ms),
    Column("cutoff_at", Ms, nullable=False),
    *_document_columns(),
    UniqueConstraint("run_id", "version"),
)

# Keys that sign orders and results: app/signed_orders/keys.py. A key counts once its request is approved.
signing_keys = Table(
    "signing_keys",
    metadata,
    new_id(),
    Column("kid", String(43), nullable=False, unique=True),  # thumbprint by RFC 7638
    Column("carrier", String(40)),  # NULL: the agency's own
    Column("x", String(43), nullable=False),  # the public key, as in its JWK
    Column("request_id", Integer, ForeignKey("approval_requests.id"), nullable=False),
    Column("ends_at", Ms),
    Column("revoked_at", Ms),
    Column("revoked_by", String(80)),
    Column("reason", Text),  # why it was revoked
)

# Orders as they were signed for the carrier of a held run, and withdrawals of them; never changed.
signed_orders = Table(
    "signed_orders",
    metadata,
    new_id(),
    Column("run_id", Integer, ForeignKey("runs.id"), nullable=False),
    Column("serial", Integer, nullable=False),
    Column("kind", String(12), nullable=False),  # order | change | repeat | withdrawal
    Column("digest", String(64), nullable=False),  # of the approval that it is under
    Column("sha256", String(64), nullable=False, unique=True),  # of its payload
    Column("kid", String(43), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("at", Ms, nullable=False),
    Column("by", String(80), nullable=False),
    UniqueConstraint("run_id", "serial"),
)

# Results as carriers signed them, each the source of a statement; never changed.
signed_results = Table(
    "signed_results",
    metadata,
    new_id(),
    Column("statement_id", Integer, ForeignKey("statements.id"), nullable=False, unique=True),
    Column("order_id", Integer, ForeignKey("signed_orders.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),  # of its payload
    Column("kid", String(43), nullable=False),
    Column("final", Boolean, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("at", Ms, nullable=False),
    Column("by", String(80), nullable=False),
)

# Signed documents that a Loa at a carrier has received; those of one order (chain) are numbered (serial).
received_orders = Table(
    "received_orders",
    metadata,
    new_id(),
    Column("number", String(12), nullable=False),
    Column("chain", Integer, nullable=False),  # the number up to the hyphen
    Column("serial", Integer, nullable=False),  # the number after it
    Column("kind", String(12), nullable=False),  # order | change | repeat | withdrawal
    Column("run_id", Integer, ForeignKey("runs.id")),  # that it made or changed; NULL: none, such as too old
    Column("sha256", String(64), nullable=False, unique=True),  # of its payload
    Column("kid", String(43), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("at", Ms, nullable=False),
    Column("by", String(80), nullable=False),
    UniqueConstraint("chain", "serial"),
)

# Results that a Loa at a carrier has signed for the police; never changed.
exported_results = Table(
    "exported_results",
    metadata,
    new_id(),
    Column("run_id", Integer, ForeignKey("runs.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("kid", String(43), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("at", Ms, nullable=False),
    Column("by", String(80), nullable=False),
    UniqueConstraint("run_id", "version"),
)

# Addressees of a directive, with details that its list of names lacks.
addressees = Table(
    "addressees",
    metadata,
    new_id(),
    Column("directive_id", Integer, ForeignKey("directives.id"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("kind", String(12), nullable=False),  # app/reports/figures/addressees.py: AddresseeKind
    Column("carrier", String(40)),  # carrier whose runs are its contribution
    Column("email", String(254)),  # for reminders
    UniqueConstraint("directive_id", "name"),
)

# What the receipts of a link prove, since when: a report of earlier sending goes by the level of then.
link_levels = Table(
    "link_levels",
    metadata,
    Column("link_id", SmallInteger, ForeignKey("links.id"), primary_key=True, autoincrement=False),
    Column("since", Ms, primary_key=True, autoincrement=False),
    Column("level", SmallInteger, nullable=False),  # carriers.contract.ReceiptLevel
)

# ---- What carriers have registered, their rules for it, and reasons to send all the same.

# A row with a template is one text that the carrier takes under this name, without one the name itself.
sender_names = Table(
    "sender_names",
    metadata,
    new_id(),
    Column("carrier", String(40), nullable=False),
    Column("name", String(11), nullable=False),
    Column("purpose", String(20)),  # NULL: for every purpose
    Column("state", String(12), nullable=False),  # asked | registered | refused | expired
    Column("template", Text),
    Column("template_code", String(60)),  # the carrier's own id of the template
    Column("certificate", String(60)),
    Column("asked_on", String(10)),
    Column("valid_from", String(10)),
    Column("valid_to", String(10)),
    Column("contact", String(300)),
    Column("remarks", Text),
    Column("attachment_id", Integer, ForeignKey("attachments.id")),
    Column("changed_at", Ms, nullable=False),
    Column("changed_by", String(80), nullable=False),
)

# What registering takes at a carrier, and what it refuses.
registration_rules = Table(
    "registration_rules",
    metadata,
    Column("carrier", String(40), primary_key=True),
    Column("lead_days", Integer, nullable=False),
    Column("needs_template", Boolean, nullable=False),
    Column("forbidden_words", JSON, nullable=False),
    Column("changed_at", Ms, nullable=False),
    Column("changed_by", String(80), nullable=False),
)

# Why a campaign goes out although the register says that a carrier would refuse it.
register_overrides = Table(
    "register_overrides",
    metadata,
    new_id(),
    Column("campaign_id", Integer, ForeignKey("campaigns.id"), nullable=False, index=True),
    Column("findings", JSON, nullable=False),  # hashes of exactly what was overridden
    Column("reason", Text, nullable=False),
    Column("at", Ms, nullable=False),
    Column("by", String(80), nullable=False),
)

# Our own telephones, which show whether a campaign's text has arrived: app/telephone_panel. No names.
panel_telephones = Table(
    "panel_telephones",
    metadata,
    new_id(),
    Column("phone", BigInteger, nullable=False, unique=True),
    Column("carrier", String(40), nullable=False),
    Column("area", String(5), nullable=False),  # a commune
    Column("consent_on", String(10), nullable=False),
    Column("added_at", Ms, nullable=False),
    Column("added_by", String(80), nullable=False),
)

# What a telephone of the panel has answered to a run, or that it has been asked.
panel_answers = Table(
    "panel_answers",
    metadata,
    new_id(),
    Column("run_id", Integer, ForeignKey("runs.id"), nullable=False),
    # NULL once it is forgotten which telephone it was
    Column("telephone_id", Integer, ForeignKey("panel_telephones.id"), index=True),
    Column("answer", String(12)),  # received | not_received | off; NULL: silent
    Column("way", String(12)),  # link | sms | gateway | forgotten
    Column("at", Ms),
    Column("asked_at", Ms),
    UniqueConstraint("run_id", "telephone_id"),
)

# Activities that an addressee reports: rows of channel, pieces, reach, link.
outreach = Table(
    "outreach",
    metadata,
    new_id(),
    Column("addressee_id", Integer, ForeignKey("addressees.id"), nullable=False),
    Column("items", JSON, nullable=False),
    *_document_columns(),
    UniqueConstraint("addressee_id", "version"),
)

# ---- Frozen reports and their files; inserted and never changed.

frozen_reports = Table(
    "reports",
    metadata,
    new_id(),
    Column("kind", String(12), nullable=False),  # run | directive
    Column("subject_id", Integer, nullable=False),  # run or directive
    Column("carrier", String(40)),  # NULL: of several carriers
    Column("version", Integer, nullable=False),
    Column("cutoff_at", Ms, nullable=False),
    Column("interim", Integer, nullable=False),  # 1: figures could still change at the cut-off
    Column("figures", Text, nullable=False),  # JSON as hashed
    Column("sha256", String(64), nullable=False),  # of the figures
    Column("changes", JSON, nullable=False),  # differences from the previous version
    Column("created_at", Ms, nullable=False),
    Column("created_by", String(80), nullable=False),
    # On the last page: made of the salt and of what was frozen. NULL: frozen before there were codes.
    Column("code", String(16)),
    Column("code_salt", String(32)),
    UniqueConstraint("kind", "subject_id", "version"),
    UniqueConstraint("kind", "subject_id", "cutoff_at"),
    Index("ix_reports_code", "code", unique=True),
)

issued_reports = Table(
    "issued_reports",
    metadata,
    Column("report_id", Integer, ForeignKey("reports.id"), primary_key=True, autoincrement=False),
    Column("number", String(30), nullable=False),  # before the slash of its symbol
    Column("dated_on", String(10), nullable=False),  # ISO date on the paper
    Column("signer", String(120), nullable=False),
    Column("at", Ms, nullable=False),
    Column("by", String(80), nullable=False),
)

# Signed PDFs that came back, byte for byte, with what their signatures proved when they were last checked.
signed_papers = Table(
    "signed_papers",
    metadata,
    new_id(),
    Column("report_id", Integer, ForeignKey("reports.id"), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("found", JSON, nullable=False),  # app/reports/frozen/signature_check.py
    Column("checked_at", Ms, nullable=False),
    Column("at", Ms, nullable=False),
    Column("by", String(80), nullable=False),
    UniqueConstraint("report_id", "sha256"),
)

# In the database rather than a folder: one backup has ledger and documents, and every host finds them.
report_files = Table(
    "report_files",
    metadata,
    Column("report_id", Integer, ForeignKey("reports.id"), primary_key=True),
    Column("format", String(16), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

"""Tables of figures, statements, outreach and frozen reports."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from app.database.models.base import Ms, metadata, new_id, on_postgresql

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

# ---- Snapshots, frozen reports and their files; inserted and never changed.

# A run's measured report, or a directive's reach, as it was at a moment (app/reports/build/snapshots.py).
snapshots = Table(
    "snapshots",
    metadata,
    Column("kind", String(9), primary_key=True),  # run | directive
    Column("subject_id", Integer, primary_key=True, autoincrement=False),
    Column("cutoff_at", Ms, primary_key=True, autoincrement=False),  # when it was really taken
    Column("settled_at", Ms, nullable=False),  # up to when nothing was missing
    Column("due_at", Ms),  # the midnight or deadline that it is for
    Column("cause", String(8), nullable=False),  # midnight | deadline | freeze | erasure
    Column("mark", String(64), nullable=False),  # hash of the run's state and tallies; empty of a directive
    Column("figures", Text, nullable=False),  # JSON, as hashed
    Column("sha256", String(64), nullable=False),
)

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

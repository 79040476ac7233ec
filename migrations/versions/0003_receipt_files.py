"""Files that carriers hand out as receipts, and what became of their lines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_VERDICTS = (
    "bad",
    "repeated",
    "agreed",
    "settled",
    "says_delivered",
    "says_undelivered",
    "open",
    "unsent",
    "unknown",
    "ambiguous",
)


def upgrade() -> None:
    op.create_table(
        "receipt_files",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("carrier", sa.String(40), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=True),
        sa.Column("level", sa.SmallInteger(), nullable=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes_read", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("applied_upto", sa.BigInteger(), nullable=True),
        sa.Column("lines", sa.Integer(), server_default="0", nullable=False),
        *(sa.Column(name, sa.Integer(), server_default="0", nullable=False) for name in _VERDICTS),
        sa.Column("first_at", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=True),
        sa.Column("runs", sa.JSON(), nullable=True),
        sa.Column("owner", sa.String(80), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(80), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_receipt_files_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt_files")),
        sa.UniqueConstraint("carrier", "sha256", name=op.f("uq_receipt_files_carrier_sha256")),
    )
    _make_lines()


def downgrade() -> None:
    op.drop_table("receipt_lines")
    op.drop_table("receipt_files")


def _make_lines() -> None:
    op.create_table(
        "receipt_lines",
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("phone", sa.BigInteger(), nullable=True),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(12), nullable=True),
        sa.Column("reason", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("said", sa.String(80), nullable=False),
        sa.Column("code", sa.String(80), nullable=True),
        sa.Column("reference", sa.String(80), nullable=True),
        sa.Column("why", sa.String(40), nullable=True),
        sa.Column("verdict", sa.String(16), nullable=True),
        sa.Column("campaign_id", sa.Integer(), nullable=True),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["file_id"], ["receipt_files.id"], name=op.f("fk_receipt_lines_file_id")),
        sa.PrimaryKeyConstraint("file_id", "line", name=op.f("pk_receipt_lines")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_receipt_lines_file_id_phone", "receipt_lines", ["file_id", "phone"], unique=False)

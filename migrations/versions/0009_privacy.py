"""Do-not-send lists, what they left out, and certificates of erasure."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "do_not_send",
        _id(),
        sa.Column("carrier", sa.String(40), nullable=False),
        sa.Column("phone", sa.BigInteger(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("added_by", sa.String(80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_do_not_send")),
        sa.UniqueConstraint("carrier", "phone", name=op.f("uq_do_not_send_carrier_phone")),
    )
    op.create_table(
        "left_out",
        sa.Column("campaign_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("batch_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "batch_id", "seq", name=op.f("pk_left_out")),
        sqlite_with_rowid=False,
    )
    _make_erasures()
    op.create_table(
        "kept_reports",
        sa.Column("run_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cutoff_at", sa.BigInteger(), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_kept_reports")),
    )


def downgrade() -> None:
    for table in ("kept_reports", "erasures", "left_out", "do_not_send"):
        op.drop_table(table)


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.Integer(), autoincrement=True, nullable=False)


def _make_erasures() -> None:
    op.create_table(
        "erasures",
        _id(),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("totals", sa.JSON(), nullable=False),
        sa.Column("by", sa.String(80), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.Column("owner", sa.String(80), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
    )
    op.create_index("ix_erasures_kind_subject_id", "erasures", ["kind", "subject_id"], unique=False)
    still = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_erasures_open", "erasures", ["kind"], unique=False, postgresql_where=still, sqlite_where=still
    )

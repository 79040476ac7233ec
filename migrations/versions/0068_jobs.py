"""One table of background work. Leases are not taken over: what a process had in hand is begun again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None

# Where a file is not imported yet, or an audience not made, since when it is waited for.
_WAITING = """
INSERT INTO jobs (kind, subject, due_at)
SELECT {kind}, '{noun} ' || CAST(id AS VARCHAR), COALESCE(lease_until, created_at)
  FROM {table} WHERE state = 'importing'
"""
_BATCH = "CASE WHEN id IN (SELECT batch_id FROM follow_ups) THEN 'follow-ups' ELSE 'import' END"
_HELD = ("batches", "receipt_files", "erasures", "notices")


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("kind", sa.String(20), primary_key=True),
        sa.Column("subject", sa.String(120), primary_key=True),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.String(80)),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("error", sa.String(300)),
        sqlite_with_rowid=False,
    )
    op.drop_table("link_jobs")
    op.execute(_WAITING.format(kind=_BATCH, noun="batch", table="batches"))
    op.execute(_WAITING.format(kind="'import'", noun="receipt file", table="receipt_files"))
    for table in _HELD:
        op.drop_column(table, "lease_until")
        op.drop_column(table, "owner")


def downgrade() -> None:
    op.create_table(
        "link_jobs",
        sa.Column("link_id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
    for table in _HELD:
        op.add_column(table, sa.Column("owner", sa.String(80)))
        op.add_column(table, sa.Column("lease_until", sa.BigInteger))
    op.drop_table("jobs")

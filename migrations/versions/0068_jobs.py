"""One table of background work. Leases are not taken over: what a process had in hand is begun again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None


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


def downgrade() -> None:
    op.create_table(
        "link_jobs",
        sa.Column("link_id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
    op.drop_table("jobs")

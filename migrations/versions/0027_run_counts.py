"""What running runs had sent at the last looks, so that their rate is measured and not assumed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_counts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.Integer, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("segments", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_run_counts_run_id", "run_counts", ["run_id"])


def downgrade() -> None:
    op.drop_table("run_counts")

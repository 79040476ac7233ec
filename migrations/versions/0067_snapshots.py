"""Snapshots of figures; the reports that were kept at erasures are the first of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None

_MOVE = """
INSERT INTO snapshots (kind, subject_id, cutoff_at, settled_at, cause, mark, figures, sha256)
SELECT 'run', run_id, cutoff_at, cutoff_at, 'erasure', '', figures, sha256 FROM kept_reports
"""
_BACK = """
INSERT INTO kept_reports (run_id, cutoff_at, figures, sha256)
SELECT subject_id, cutoff_at, figures, sha256 FROM snapshots WHERE cause = 'erasure' AND kind = 'run'
"""


def upgrade() -> None:
    op.create_table(
        "snapshots",
        sa.Column("kind", sa.String(9), primary_key=True),
        sa.Column("subject_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("cutoff_at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("settled_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("cause", sa.String(8), nullable=False),
        sa.Column("mark", sa.String(64), nullable=False),
        sa.Column("figures", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
    )
    op.execute(_MOVE)
    op.drop_table("kept_reports")


def downgrade() -> None:
    op.create_table(
        "kept_reports",
        sa.Column("run_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("cutoff_at", sa.BigInteger, nullable=False),
        sa.Column("figures", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
    )
    op.execute(_BACK)
    op.drop_table("snapshots")

"""Persons reached by the campaigns of a directive, kept when numbers are erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_reach",
        sa.Column("campaign_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("carrier", sa.String(40), primary_key=True),
        sa.Column("area", sa.String(5), primary_key=True),
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("repeated", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("kept_reach")

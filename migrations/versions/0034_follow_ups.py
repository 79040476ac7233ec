"""Batches of those whom earlier campaigns did not reach."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "follow_ups",
        sa.Column("batch_id", sa.Integer, sa.ForeignKey("batches.id"), primary_key=True, autoincrement=False),
        sa.Column("campaign_id", sa.Integer, sa.ForeignKey("campaigns.id"), nullable=False),
        sa.Column("outcomes", sa.JSON, nullable=False),
        sa.Column("areas", sa.JSON, nullable=False),
    )
    op.create_index("ix_follow_ups_campaign_id", "follow_ups", ["campaign_id"])
    op.create_table(
        "follow_up_sources",
        sa.Column("batch_id", sa.Integer, sa.ForeignKey("follow_ups.batch_id"), primary_key=True),
        sa.Column("campaign_id", sa.Integer, sa.ForeignKey("campaigns.id"), primary_key=True),
    )
    op.create_index("ix_follow_up_sources_campaign_id", "follow_up_sources", ["campaign_id"])


def downgrade() -> None:
    op.drop_table("follow_up_sources")
    op.drop_table("follow_ups")

"""Campaigns have recordings, which carriers play to subscribers of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    spoken = sa.Column("spoken", sa.Boolean, nullable=False, server_default=sa.text("false"))
    op.add_column("audiences", spoken)
    op.create_table(
        "recordings",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("campaign_id", sa.Integer, sa.ForeignKey("campaigns.id"), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("areas", sa.JSON, nullable=False),
        sa.Column("wording", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(40), nullable=False),
        sa.Column("duration_ms", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(80), nullable=False),
        sa.UniqueConstraint("campaign_id", "language"),
    )


def downgrade() -> None:
    op.drop_table("recordings")
    op.drop_column("audiences", "spoken")

"""Links say since when nothing is taken, that the settings no longer name them, and whose clock differs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("link_health", sa.Column("refusing_since", sa.BigInteger))
    op.add_column("lanes", sa.Column("left_at", sa.BigInteger))
    op.create_table(
        "webhook_clocks",
        sa.Column(
            "lane_id", sa.SmallInteger, sa.ForeignKey("lanes.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("first_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("over_at", sa.BigInteger),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("ahead_s", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("webhook_clocks")
    op.drop_column("lanes", "left_at")
    op.drop_column("link_health", "refusing_since")

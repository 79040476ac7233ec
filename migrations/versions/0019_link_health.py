"""How each link stands in each process: connected since, lost since, last answer, last refusal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "link_health",
        sa.Column(
            "lane_id", sa.SmallInteger(), sa.ForeignKey("lanes.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("holder", sa.String(80), primary_key=True),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("connected_since", sa.BigInteger()),
        sa.Column("lost_since", sa.BigInteger()),
        sa.Column("answered_at", sa.BigInteger()),
        sa.Column("refused_at", sa.BigInteger()),
        sa.Column("refusal", sa.String(200)),
        sa.Column("held", sa.String(200)),
        sa.Column("remark", sa.String(200)),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("link_health")

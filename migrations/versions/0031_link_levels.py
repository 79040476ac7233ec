"""What the receipts of a link proved, since when."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "link_levels",
        sa.Column(
            "link_id", sa.SmallInteger, sa.ForeignKey("links.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("since", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("level", sa.SmallInteger, nullable=False),
    )
    op.execute("INSERT INTO link_levels (link_id, since, level) SELECT id, 0, receipt_level FROM links")


def downgrade() -> None:
    op.drop_table("link_levels")

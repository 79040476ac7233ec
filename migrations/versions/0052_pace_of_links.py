"""The pace of a link has a row of its own, beside what is read of the link all the time.

Revision ID: 0052
Revises: 0051
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "link_pace",
        sa.Column(
            "link_id", sa.SmallInteger, sa.ForeignKey("links.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("next_free_us", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.execute("INSERT INTO link_pace (link_id, next_free_us) SELECT id, next_free_us FROM links")
    op.execute("ALTER TABLE links DROP COLUMN next_free_us")


def downgrade() -> None:
    op.execute("ALTER TABLE links ADD COLUMN next_free_us BIGINT NOT NULL DEFAULT 0")
    own = "(SELECT p.next_free_us FROM link_pace p WHERE p.link_id = links.id)"
    op.execute(f"UPDATE links SET next_free_us = coalesce({own}, 0)")
    op.drop_table("link_pace")

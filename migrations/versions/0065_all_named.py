"""Whether all messages of an ended campaign bear an id; false for those noted before.

Revision ID: 0065
Revises: 0064
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None


def upgrade() -> None:
    all_named = sa.Column("all_named", sa.Boolean, nullable=False, server_default=sa.text("false"))
    op.add_column("last_submissions", all_named)


def downgrade() -> None:
    op.drop_column("last_submissions", "all_named")

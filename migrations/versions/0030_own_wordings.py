"""Campaigns keep their author's own wording; decisions keep what was decided on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("wording", sa.Text))
    op.add_column("approvals", sa.Column("content", sa.JSON))


def downgrade() -> None:
    op.drop_column("approvals", "content")
    op.drop_column("campaigns", "wording")

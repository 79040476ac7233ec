"""By how many minutes a link's receipts state their times too early, once that is sure.

Revision ID: 0057
Revises: 0056
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("links", sa.Column("receipts_early_min", sa.SmallInteger))


def downgrade() -> None:
    op.drop_column("links", "receipts_early_min")

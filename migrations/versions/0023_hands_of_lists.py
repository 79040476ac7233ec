"""Who has handed in a list that was known already: they don't approve what it belongs to either."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("batches", sa.Column("again_by", sa.JSON(), server_default="[]", nullable=False))


def downgrade() -> None:
    op.drop_column("batches", "again_by")

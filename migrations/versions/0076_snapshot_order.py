"""Keep with a snapshot how many changes it had seen, and whether a repair has set it aside."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("snapshots", sa.Column("changes_seen", sa.BigInteger))
    op.add_column("snapshots", sa.Column("set_aside_at", sa.BigInteger))


def downgrade() -> None:
    op.drop_column("snapshots", "set_aside_at")
    op.drop_column("snapshots", "changes_seen")

"""Links say since when messages wait for answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("link_health", sa.Column("waiting_since", sa.BigInteger))


def downgrade() -> None:
    op.drop_column("link_health", "waiting_since")

"""When a lane first took a chunk, and whose account a lane is: what receipts can be about."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("chunks", sa.Column("taken_at", sa.BigInteger()))
    op.add_column("lanes", sa.Column("account", sa.String(200)))


def downgrade() -> None:
    op.drop_column("lanes", "account")
    op.drop_column("chunks", "taken_at")

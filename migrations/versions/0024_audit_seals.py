"""Rows of the audit bear a seal that whoever writes the database alone can't make."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit", sa.Column("seal", sa.String(64)))


def downgrade() -> None:
    op.drop_column("audit", "seal")

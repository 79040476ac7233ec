"""Which lease's sending made a delivery unknown: a late answer moves only what its own attempt made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("unknowns", sa.Column("attempt", sa.Integer()))


def downgrade() -> None:
    op.drop_column("unknowns", "attempt")

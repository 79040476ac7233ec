"""A run may be sent more slowly than the links of its carrier allow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("segments_per_second", sa.Integer()))


def downgrade() -> None:
    op.drop_column("runs", "segments_per_second")

"""A lane says what its link makes of a text by its settings, so that an approval can hold it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lanes", sa.Column("says", sa.String(64)))


def downgrade() -> None:
    op.drop_column("lanes", "says")

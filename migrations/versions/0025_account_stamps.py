"""Chunks, accounts and sessions bear stamps; an approval says what links make of its text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_STAMPED = ("chunks", "people", "api_keys", "recovery_codes", "sessions")


def upgrade() -> None:
    for table in _STAMPED:
        op.add_column(table, sa.Column("stamp", sa.String(64)))
    op.add_column("approvals", sa.Column("links", sa.JSON()))


def downgrade() -> None:
    op.drop_column("approvals", "links")
    for table in _STAMPED:
        op.drop_column(table, "stamp")

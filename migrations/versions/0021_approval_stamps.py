"""Decisions on campaigns bear a stamp that whoever writes the database alone can't make."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("approvals", sa.Column("stamp", sa.String(64)))
    op.create_index("ix_audit_subject", "audit", ["subject"])


def downgrade() -> None:
    op.drop_index("ix_audit_subject", "audit")
    op.drop_column("approvals", "stamp")

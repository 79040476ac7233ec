"""Requests that another person approves have a table; those that there are come after it, out of the audit.

They are copied by the key of the settings, which checks the seals of their acts (app/database/schema.py).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approval_requests",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("subject", sa.String(120), nullable=False, index=True),
        sa.Column("wanted", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("asked_by", sa.String(80), nullable=False),
        sa.Column("behind", sa.JSON, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("approved_by", sa.String(80)),
        sa.Column("approved_at", sa.BigInteger),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("result", sa.JSON, nullable=False),
        sa.Column("stamp", sa.String(64)),
    )


def downgrade() -> None:
    op.drop_table("approval_requests")

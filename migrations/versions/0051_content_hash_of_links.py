"""The hash of what a link makes of a text is named content_hash, as in the code.

Revision ID: 0051
Revises: 0050
"""

from __future__ import annotations

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE links RENAME COLUMN says TO content_hash")


def downgrade() -> None:
    op.execute("ALTER TABLE links RENAME COLUMN content_hash TO says")

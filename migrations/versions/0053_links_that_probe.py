"""Why a link sends single messages only is named probing, as in the code.

Revision ID: 0053
Revises: 0052
"""

from __future__ import annotations

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE link_health RENAME COLUMN held TO probing")


def downgrade() -> None:
    op.execute("ALTER TABLE link_health RENAME COLUMN probing TO held")

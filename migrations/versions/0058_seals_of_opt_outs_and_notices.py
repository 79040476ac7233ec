"""A seal on each do-not-send list and a stamp on each notice, so that rows changed outside Loa are noticed.

Those that there are get theirs after the migration, by the key of the settings (app/database/schema.py).

Revision ID: 0058
Revises: 0057
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "opt_out_seals",
        sa.Column("carrier", sa.String(40), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("numbers", sa.Integer, nullable=False),
        sa.Column("total", sa.String(32), nullable=False),
        sa.Column("stamp", sa.String(64), nullable=False),
    )

    op.add_column("notices", sa.Column("stamp", sa.String(64)))


def downgrade() -> None:
    op.drop_column("notices", "stamp")
    op.drop_table("opt_out_seals")

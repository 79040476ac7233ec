"""Campaigns have budgets, with what is spent of them and the prices that it was counted by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


_COLUMNS = {"budget_segments": sa.BigInteger, "budget_dong": sa.BigInteger, "budget_of": sa.Integer}


def upgrade() -> None:
    for name, kind in _COLUMNS.items():
        op.add_column("campaigns", sa.Column(name, kind))
    op.create_table(
        "budgets",
        sa.Column("campaign_id", sa.Integer, primary_key=True, autoincrement=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False, server_default="0")
            for name in ("segments", "cost")
        ),
        sa.Column("wanted", sa.Integer),
        sa.Column("wanted_cost", sa.BigInteger),
    )
    op.create_table(
        "segment_prices",
        sa.Column("carrier", sa.String(40), primary_key=True),
        sa.Column("purpose", sa.String(20), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("vat", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    for table in ("segment_prices", "budgets"):
        op.drop_table(table)
    for name in reversed(_COLUMNS):
        op.drop_column("campaigns", name)

"""Budgets are in SMS parts alone; one in đồng becomes as many parts as it would still buy.

The dearest price counts that is kept for a carrier of the runs that share the budget; where one of them has
none, or there is no price at all, no more may be sent than is spent. So it is never more than the money would
have bought. Approvals signed the đồng, so approved campaigns keep what was signed beside the new limit.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None

_IN_DONG = sa.text(
    """
    SELECT c.id, c.purpose, c.budget_segments, c.budget_dong,
           COALESCE(b.segments, 0) AS segments, COALESCE(b.cost, 0) AS cost,
           (SELECT decision FROM approvals WHERE campaign_id = c.id ORDER BY id DESC LIMIT 1) AS decision
      FROM campaigns c LEFT JOIN budgets b ON b.campaign_id = c.id
     WHERE c.budget_dong IS NOT NULL ORDER BY c.id
    """
)
_CARRIERS = sa.text(
    """
    SELECT DISTINCT r.carrier, c.purpose FROM runs r JOIN campaigns c ON c.id = r.campaign_id
     WHERE c.id = :id OR c.budget_of = :id
    """
)
_PRICES = sa.text("SELECT carrier, purpose, price FROM segment_prices ORDER BY day")
_TURN = sa.text(
    "UPDATE campaigns SET budget_segments = :most, budget_dong = :dong, budget_signed = :signed "
    "WHERE id = :id"
)


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("budget_signed", sa.BigInteger))
    connection = op.get_bind()
    prices = {(row.carrier, row.purpose): int(row.price) for row in connection.execute(_PRICES)}  # the newest
    for row in connection.execute(_IN_DONG).all():
        sharing = [(each.carrier, each.purpose) for each in connection.execute(_CARRIERS, {"id": row.id})]
        known = [prices.get(each) for each in sharing or [each for each in prices if each[1] == row.purpose]]
        most = int(row.segments) + _buys(int(row.budget_dong) * 100 - int(row.cost), known)
        if row.budget_segments is not None:
            most = min(most, int(row.budget_segments))
        signed = (row.budget_dong, row.budget_segments) if row.decision == "approved" else (None, None)
        values = {"id": row.id, "most": most, "dong": signed[0], "signed": signed[1]}
        connection.execute(_TURN, values)
    for name in ("cost", "wanted_cost"):
        op.drop_column("budgets", name)
    op.drop_table("segment_prices")


def _buys(hundredths: int, prices: list[Any]) -> int:
    """Return how many SMS parts the money buys at the dearest price; none where a price is not known."""
    if not prices or None in prices:
        return 0
    return max(0, hundredths // max(1, *prices))


def downgrade() -> None:
    op.create_table(
        "segment_prices",
        sa.Column("carrier", sa.String(40), primary_key=True),
        sa.Column("purpose", sa.String(20), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("vat", sa.Integer, nullable=False),
    )
    op.add_column("budgets", sa.Column("cost", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("budgets", sa.Column("wanted_cost", sa.BigInteger))
    op.execute("UPDATE campaigns SET budget_segments = budget_signed WHERE budget_dong IS NOT NULL")
    op.drop_column("campaigns", "budget_signed")

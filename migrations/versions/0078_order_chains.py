"""Received documents of one order are a numbered chain, and what replaces a campaign is a round of it."""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None

# Campaigns of older orders that are not approved yet become rounds too; an approval binds those that are.
_ROUNDS = """
    INSERT INTO replacements (campaign_id, replaced_id)
    SELECT DISTINCT r.campaign_id, s.campaign_id
      FROM received_orders d
      JOIN runs r ON r.id = d.run_id
      JOIN campaigns c ON c.id = r.campaign_id
      JOIN received_orders e ON e.chain = d.chain AND e.serial < d.serial
      JOIN runs s ON s.id = e.run_id
     WHERE d.kind = 'order' AND r.state = 'planned' AND c.state IN ('draft', 'submitted')
       AND s.campaign_id <> r.campaign_id
"""


def upgrade() -> None:
    op.create_table(
        "replacements",
        sa.Column("campaign_id", sa.Integer, sa.ForeignKey("campaigns.id"), autoincrement=False),
        sa.Column("replaced_id", sa.Integer, sa.ForeignKey("campaigns.id")),
        sa.PrimaryKeyConstraint("campaign_id", "replaced_id"),
    )
    op.create_index("ix_replacements_replaced_id", "replacements", ["replaced_id"])
    with op.batch_alter_table("received_orders") as table:
        table.add_column(sa.Column("chain", sa.Integer))
        table.add_column(sa.Column("serial", sa.Integer))
    connection = op.get_bind()
    for row in connection.execute(sa.text("SELECT id, number FROM received_orders ORDER BY id")).all():
        number = re.fullmatch("([0-9]{1,6})-([0-9]{1,3})", row.number)
        chain, serial = map(int, number.groups()) if number else (0, row.id)  # 0: of no order
        values = {"id": row.id, "chain": chain, "serial": serial}
        connection.execute(
            sa.text("UPDATE received_orders SET chain = :chain, serial = :serial WHERE id = :id"), values
        )
    with op.batch_alter_table("received_orders") as table:
        table.alter_column("chain", existing_type=sa.Integer, nullable=False)
        table.alter_column("serial", existing_type=sa.Integer, nullable=False)
        table.alter_column("run_id", existing_type=sa.Integer, nullable=True)
        table.create_unique_constraint("uq_received_orders_chain_serial", ["chain", "serial"])
    op.execute(_ROUNDS)


def downgrade() -> None:
    op.execute("DELETE FROM received_orders WHERE run_id IS NULL")
    with op.batch_alter_table("received_orders") as table:
        table.drop_constraint("uq_received_orders_chain_serial", type_="unique")
        table.alter_column("run_id", existing_type=sa.Integer, nullable=False)
        table.drop_column("serial")
        table.drop_column("chain")
    op.drop_table("replacements")

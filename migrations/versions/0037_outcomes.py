"""What running runs are judged by, why one has paused itself, and what each has sent today."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_BY_RUN = {
    "outcome_counts": dict.fromkeys(("at", "sent", "refused", "unknown"), sa.BigInteger),
    "late_failures": {"sent_at": sa.BigInteger, "n": sa.SmallInteger},
}


def upgrade() -> None:
    for table, columns in _BY_RUN.items():
        op.create_table(
            table,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("run_id", sa.Integer, nullable=False),
            *(sa.Column(name, kind, nullable=False) for name, kind in columns.items()),
        )
        op.create_index(f"ix_{table}_run_id", table, ["run_id"])
    op.create_table(
        "daily_counts",
        sa.Column("run_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("day", sa.Integer, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("before", "sent")),
    )
    op.add_column("runs", sa.Column("suspended", sa.JSON()))
    op.add_column("runs", sa.Column("judged_from", sa.BigInteger))


def downgrade() -> None:
    for name in ("suspended", "judged_from"):
        op.drop_column("runs", name)
    for table in ("daily_counts", *_BY_RUN):
        op.drop_table(table)

"""What persons ask about their own data, with the day by which they are to be answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person_requests",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("phone", sa.BigInteger),
        sa.Column("masked", sa.String(20), nullable=False),
        sa.Column("came_on", sa.Integer, nullable=False),
        sa.Column("due_on", sa.Integer, nullable=False),
        sa.Column("reference", sa.String(200), nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("recorded_by", sa.String(80), nullable=False),
        sa.Column("outcome", sa.String(10)),
        sa.Column("answered_at", sa.BigInteger),
        sa.Column("answered_by", sa.String(80)),
        sa.Column("answer", sa.Text),
        sa.Column("paper", sa.Text),
        sa.Column("sha256", sa.String(64)),
        sa.Column("seal", sa.String(64)),
    )
    op.create_index("ix_person_requests_outcome_due_on", "person_requests", ["outcome", "due_on"])


def downgrade() -> None:
    op.drop_table("person_requests")

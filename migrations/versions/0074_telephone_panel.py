"""The panel of test telephones, and what they answer to a run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "panel_telephones",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("phone", sa.BigInteger, nullable=False, unique=True),
        sa.Column("carrier", sa.String(40), nullable=False),
        sa.Column("area", sa.String(5), nullable=False),
        sa.Column("consent_on", sa.String(10), nullable=False),
        sa.Column("added_at", sa.BigInteger, nullable=False),
        sa.Column("added_by", sa.String(80), nullable=False),
    )
    op.create_table(
        "panel_answers",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("telephone_id", sa.Integer, sa.ForeignKey("panel_telephones.id")),
        sa.Column("answer", sa.String(12)),
        sa.Column("way", sa.String(12)),
        sa.Column("at", sa.BigInteger),
        sa.Column("asked_at", sa.BigInteger),
        sa.UniqueConstraint("run_id", "telephone_id"),
    )
    op.create_index("ix_panel_answers_telephone_id", "panel_answers", ["telephone_id"])


def downgrade() -> None:
    op.drop_table("panel_answers")
    op.drop_table("panel_telephones")

"""Orders that a Loa at a carrier receives, and the results that it signs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "received_orders",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("number", sa.String(12), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        *_document(),
    )
    op.create_table(
        "exported_results",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        *_document(),
        sa.UniqueConstraint("run_id", "version"),
    )


def _document() -> list[sa.Column]:
    return [
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("kid", sa.String(43), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(80), nullable=False),
    ]


def downgrade() -> None:
    op.drop_table("exported_results")
    op.drop_table("received_orders")

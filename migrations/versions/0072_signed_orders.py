"""Signing keys, signed orders, and signed results behind statements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0072"
down_revision = "0068"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("kid", sa.String(43), nullable=False, unique=True),
        sa.Column("carrier", sa.String(40)),
        sa.Column("x", sa.String(43), nullable=False),
        sa.Column("request_id", sa.Integer, sa.ForeignKey("approval_requests.id"), nullable=False),
        sa.Column("ends_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("revoked_by", sa.String(80)),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "signed_orders",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id"), nullable=False),
        sa.Column("serial", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        *_document(),
        sa.UniqueConstraint("run_id", "serial"),
    )
    op.create_table(
        "signed_results",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("statement_id", sa.Integer, sa.ForeignKey("statements.id"), nullable=False, unique=True),
        sa.Column("order_id", sa.Integer, sa.ForeignKey("signed_orders.id"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("final", sa.Boolean, nullable=False),
        *_document(),
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
    op.drop_table("signed_results")
    op.drop_table("signed_orders")
    op.drop_table("signing_keys")

"""Number, day and signer of a report that was issued; names of files may be longer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "issued_reports",
        sa.Column(
            "report_id", sa.Integer, sa.ForeignKey("reports.id"), primary_key=True, autoincrement=False
        ),
        sa.Column("number", sa.String(30), nullable=False),
        sa.Column("dated_on", sa.String(10), nullable=False),
        sa.Column("signer", sa.String(120), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("by", sa.String(80), nullable=False),
    )
    with op.batch_alter_table("report_files") as table:
        table.alter_column("format", type_=sa.String(16), existing_type=sa.String(8), existing_nullable=False)


def downgrade() -> None:
    op.drop_table("issued_reports")  # names stay as long: those of issued papers would not fit

"""The code on the last page of a frozen report."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("reports", sa.Column("code", sa.String(16)))
    op.add_column("reports", sa.Column("code_salt", sa.String(32)))
    op.create_index("ix_reports_code", "reports", ["code"], unique=True)


def downgrade() -> None:
    op.drop_index("ix_reports_code", "reports")
    op.drop_column("reports", "code_salt")
    op.drop_column("reports", "code")

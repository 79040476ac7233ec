"""The legal basis of a directive, and whom its addressees may ask."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, kind in (("legal_basis", sa.Text()), ("contact", sa.String(300))):
        op.add_column("directives", sa.Column(name, kind, nullable=False, server_default=""))


def downgrade() -> None:
    for name in ("legal_basis", "contact"):
        op.drop_column("directives", name)

"""Messages to us have a kind: an opt-out, a scam report, or another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inbound_messages", sa.Column("kind", sa.String(8)))
    op.create_index("ix_inbound_messages_kind_id", "inbound_messages", ["kind", "id"])


def downgrade() -> None:
    op.drop_index("ix_inbound_messages_kind_id", "inbound_messages")
    op.drop_column("inbound_messages", "kind")

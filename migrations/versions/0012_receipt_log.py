"""The log of receipts shows the newest of each lane."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_NAME = "ix_receipts_lane_id_received_at"


def upgrade() -> None:
    op.create_index(_NAME, "receipts", ["lane_id", "received_at"])


def downgrade() -> None:
    op.drop_index(_NAME, "receipts")

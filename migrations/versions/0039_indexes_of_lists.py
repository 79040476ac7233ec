"""Lists find the rows of some days, and a follow-up the runs of a batch, by an index."""

from __future__ import annotations

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_run_batches_batch_id": ("run_batches", ["batch_id"]),
    "ix_do_not_send_carrier_id": ("do_not_send", ["carrier", "id"]),
    "ix_do_not_send_added_at": ("do_not_send", ["added_at"]),
    "ix_notices_created_at": ("notices", ["created_at"]),
    "ix_inbound_messages_received_at": ("inbound_messages", ["received_at"]),
    "ix_audit_at": ("audit", ["at"]),
}


def upgrade() -> None:
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, (table, _) in _INDEXES.items():
        op.drop_index(name, table)

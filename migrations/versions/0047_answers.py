"""Messages to us are answered: by campaigns that hold an answer text or a week's answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("answers_to", sa.String(12)))
    op.add_column("campaigns", sa.Column("answers_of", sa.Integer))
    op.create_index("ix_campaigns_answers_to", "campaigns", ["answers_to"])
    op.create_index("ix_inbound_messages_phone_received_at", "inbound_messages", ["phone", "received_at"])
    op.create_table(
        "answers",
        sa.Column(
            "inbound_id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("why", sa.String(12)),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("campaign_id", sa.Integer),
        sa.Column("batch_id", sa.Integer),
        sa.Column("seq", sa.Integer),
    )
    op.create_index("ix_answers_campaign_id", "answers", ["campaign_id"])
    op.create_index("ix_answers_batch_id_seq", "answers", ["batch_id", "seq"])
    op.create_index("ix_answers_at", "answers", ["at"])


def downgrade() -> None:
    op.drop_table("answers")
    op.drop_index("ix_inbound_messages_phone_received_at", "inbound_messages")
    op.drop_index("ix_campaigns_answers_to", "campaigns")
    op.drop_column("campaigns", "answers_of")
    op.drop_column("campaigns", "answers_to")

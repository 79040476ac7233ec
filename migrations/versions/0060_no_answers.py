"""Citizens who write are answered by Loa no more: what became of their messages is dropped, and stays said by
the campaigns of answers, which are kept as they are.

Refuses while an answer is queued: nothing would say any more until when it may go out, and to whom.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.core.errors import Conflict

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    queued = sa.text(
        "SELECT campaigns.answers_of FROM chunks JOIN campaigns ON campaigns.id = chunks.campaign_id "
        "WHERE chunks.state < 2 AND campaigns.answers_of IS NOT NULL LIMIT 1"
    )
    for answer_text in op.get_bind().execute(queued).scalars():
        raise Conflict(
            f"Answers with the text of campaign {answer_text} are queued, and this version sends none: let "
            "them go out, or withdraw it with the version before (`loa campaign withdraw "
            f"{answer_text}`), then migrate."
        )
    op.drop_table("answers")
    op.drop_index("ix_campaigns_answers_to", "campaigns")


def downgrade() -> None:
    op.create_index("ix_campaigns_answers_to", "campaigns", ["answers_to"])
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

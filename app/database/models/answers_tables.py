"""What became of each message to us that was looked at for an answer: one row each, so at most one answer.

No number is kept here: it goes with the message.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from app.database.models.base import Ms, metadata

# The answer is the delivery (campaign_id, batch_id, seq), which NULL says there is none; `why` says so then.
answers = Table(
    "answers",
    metadata,
    Column("inbound_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", Ms, nullable=False),
    Column("kind", String(12), nullable=False),  # app/core/answer_kinds.py: AnswerKind
    Column("why", String(12)),  # Unanswered; NULL: it is answered
    Column("expires_at", Ms),  # from when the answer is too late, and not sent any more
    Column("campaign_id", Integer),
    Column("batch_id", Integer),
    Column("seq", Integer),
    Index("ix_answers_campaign_id", "campaign_id"),
    Index("ix_answers_batch_id_seq", "batch_id", "seq"),
    Index("ix_answers_at", "at"),
)

"""What the carriers over HTTP need: who was sent again by a person, and the network that a refusal names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("resends", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column(
        "lanes", sa.Column("one_receipt", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("submissions", sa.Column("network", sa.String(20), nullable=True))
    _make_questions()


def downgrade() -> None:
    for table in ("errands", "polled_chunks", "questions"):
        op.drop_table(table)
    op.drop_column("submissions", "network")
    op.drop_column("lanes", "one_receipt")
    op.drop_column("deliveries", "resends")


def _make_questions() -> None:
    """What carriers are asked about, which chunks it was taken from, and who does a lane's errands."""
    op.create_table(
        "questions",
        sa.Column("campaign_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("batch_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("lane_id", sa.SmallInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "batch_id", "seq", name=op.f("pk_questions")),
    )
    op.create_index("ix_questions_lane_id_due_at", "questions", ["lane_id", "due_at"], unique=False)
    op.create_table(
        "polled_chunks",
        sa.Column("campaign_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("batch_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("lane_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("pass_no", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "campaign_id", "batch_id", "first_seq", "lane_id", name=op.f("pk_polled_chunks")
        ),
    )
    op.create_table(
        "errands",
        sa.Column("lane_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lane_id", "name", name=op.f("pk_errands")),
    )

"""What is sent to us over the links is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_T = "inbound_messages"


def upgrade() -> None:
    op.create_table(
        _T,
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("lane_id", sa.SmallInteger(), nullable=False),
        sa.Column("phone", sa.BigInteger()),
        sa.Column("source", sa.Text()),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("coding", sa.SmallInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("octets", sa.Text()),
        sa.Column("part_reference", sa.Integer()),
        sa.Column("part_number", sa.SmallInteger()),
        sa.Column("part_total", sa.SmallInteger()),
        sa.Column("repeat_of", sa.BigInteger()),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.Column("arrival", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{_T}"),
        sa.UniqueConstraint("arrival", name=f"uq_{_T}_arrival"),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{_T}_digest", _T, ["digest"])
    op.create_index(f"ix_{_T}_lane_id_id", _T, ["lane_id", "id"])


def downgrade() -> None:
    op.drop_table(_T)

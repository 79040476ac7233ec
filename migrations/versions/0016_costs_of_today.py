"""Tallies that are folded once, chunks in the order of their claims, and when a run was finished."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("finished_at", sa.BigInteger()))
    op.add_column(
        "tallies", sa.Column("folded", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
    _index("ix_tallies_new", "tallies", ["run_id"], "NOT folded")
    key = ["run_id", "state", "reason", "batch_id", "campaign_id"]
    _index("ix_tallies_folded", "tallies", [*key, "area"], "folded", unique=True)
    _index("ix_tallies_folded_nowhere", "tallies", key, "folded AND area IS NULL", unique=True)
    op.drop_index("ix_chunks_open", "chunks")
    _index("ix_chunks_open", "chunks", ["run_id", "not_before", "batch_id", "first_seq"], "state < 2")


def downgrade() -> None:
    op.drop_index("ix_chunks_open", "chunks")
    _index("ix_chunks_open", "chunks", ["run_id", "not_before"], "state < 2")
    op.drop_index("ix_tallies_folded_nowhere", "tallies")
    op.drop_index("ix_tallies_folded", "tallies")
    op.drop_index("ix_tallies_new", "tallies")
    op.drop_column("tallies", "folded")
    op.drop_column("runs", "finished_at")


def _index(name: str, table: str, columns: list[str], where: str, unique: bool = False) -> None:
    only = sa.text(where)
    op.create_index(name, table, columns, unique=unique, postgresql_where=only, sqlite_where=only)

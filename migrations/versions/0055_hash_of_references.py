"""Submissions on SQLite are found by a hash of the carrier's id, whose index is two fifths as large.

PostgreSQL keeps its index on the ids themselves, and leaves the column empty.

Revision ID: 0055
Revises: 0054
"""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("submissions", sa.Column("reference_hash", sa.BigInteger))
    bind = op.get_bind()
    if bind.dialect.name != "sqlite":
        return
    raw: Any = bind.connection.driver_connection
    raw.create_function("hash_of_reference", 1, _hash, deterministic=True)
    op.drop_index("ix_submissions_reference", "submissions")
    op.execute(
        "UPDATE submissions SET reference_hash = hash_of_reference(reference) WHERE reference IS NOT NULL"
    )
    op.create_index(
        "ix_submissions_reference_hash",
        "submissions",
        ["reference_hash"],
        sqlite_where=sa.text("reference_hash IS NOT NULL"),
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.drop_index("ix_submissions_reference_hash", "submissions")
        op.create_index(
            "ix_submissions_reference",
            "submissions",
            ["reference", "group_id"],
            sqlite_where=sa.text("reference IS NOT NULL"),
        )
    op.drop_column("submissions", "reference_hash")


def _hash(reference: str) -> int:
    """Return a hash of all but the last two bytes, and these, so that ids that count up stay together."""
    whole = reference.encode("utf-8", "replace")
    digest = hashlib.blake2b(whole[:-2], digest_size=4).digest()
    return int.from_bytes(digest + whole[-2:].rjust(2, b"\0"), "big", signed=True)

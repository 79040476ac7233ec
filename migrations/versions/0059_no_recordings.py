"""Campaigns have no recordings any more: a list of what carriers played stays with the campaign, no sound.

Refuses while a carrier may still play one: what is ordered then, and counted, this version does not know.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.core.errors import Conflict

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

_SIGNED = ("language", "areas", "wording", "sha256", "media_type", "duration_ms")
_OPEN = ("planned", "running", "paused", "sent")


def upgrade() -> None:
    connection = op.get_bind()
    going = sa.text(
        "SELECT run_id FROM audiences JOIN runs ON runs.id = run_id WHERE spoken AND state IN :open"
    )
    for run in connection.execute(going.bindparams(sa.bindparam("open", _OPEN, expanding=True))).scalars():
        raise Conflict(
            f"In run {run} the carrier plays a recording, which this version does not know: end, cancel or "
            "remove it with the version before, then migrate."
        )
    op.add_column("campaigns", sa.Column("recordings", sa.JSON(none_as_null=True)))
    columns = [sa.column("campaign_id"), *(sa.column(name) for name in _SIGNED if name != "areas")]
    old = sa.table("recordings", *columns, sa.column("areas", sa.JSON))
    played: dict[int, list[dict[str, Any]]] = {}
    for row in connection.execute(sa.select(old).order_by(old.c.campaign_id, old.c.language)).mappings():
        played.setdefault(row["campaign_id"], []).append({name: row[name] for name in _SIGNED})
    new = sa.table("campaigns", sa.column("id"), sa.column("recordings", sa.JSON))
    for campaign, each in played.items():
        connection.execute(sa.update(new).where(new.c.id == campaign).values(recordings=each))
    op.drop_table("recordings")


def downgrade() -> None:
    op.create_table(
        "recordings",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("campaign_id", sa.Integer, sa.ForeignKey("campaigns.id"), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("areas", sa.JSON, nullable=False),
        sa.Column("wording", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(40), nullable=False),
        sa.Column("duration_ms", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(80), nullable=False),
        sa.UniqueConstraint("campaign_id", "language"),
    )
    op.drop_column("campaigns", "recordings")

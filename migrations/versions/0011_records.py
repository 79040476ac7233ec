"""Certificates that outlive what they speak of; and the hash of the rows that an import gave."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ERASURES = sa.table(
    "erasures",
    sa.column("id", sa.Integer),
    sa.column("kind", sa.String),
    sa.column("subject_id", sa.Integer),
    sa.column("kept", sa.JSON),
)
_KEPT = sa.table("kept_reports", sa.column("run_id", sa.Integer), sa.column("sha256", sa.String))
_RUNS = sa.table("runs", sa.column("id", sa.Integer), sa.column("campaign_id", sa.Integer))


def upgrade() -> None:
    with op.batch_alter_table("erasures") as table:
        table.add_column(sa.Column("kept", sa.JSON(), server_default="{}", nullable=False))
        table.add_column(sa.Column("months", sa.Integer(), nullable=True))
        table.add_column(sa.Column("anchor", sa.String(80), nullable=True))
    with op.batch_alter_table("batches") as table:
        table.add_column(sa.Column("rows_sha256", sa.String(64), nullable=True))
    _keep()


def downgrade() -> None:
    op.drop_column("batches", "rows_sha256")
    with op.batch_alter_table("erasures") as table:
        for column in ("anchor", "months", "kept"):
            table.drop_column(column)


def _keep() -> None:
    """The hashes of the reports that each campaign's certificate speaks of, as it had them by reference."""
    bind, found = op.get_bind(), dict[int, dict[str, str]]()
    own = sa.select(_RUNS.c.campaign_id, _KEPT.c.run_id, _KEPT.c.sha256).join(
        _KEPT, _KEPT.c.run_id == _RUNS.c.id
    )
    for campaign_id, run_id, sha256 in bind.execute(own.order_by(_KEPT.c.run_id)):
        found.setdefault(campaign_id, {})[str(run_id)] = sha256
    for campaign_id, kept in found.items():
        of = sa.update(_ERASURES).where(_ERASURES.c.kind == "campaign", _ERASURES.c.subject_id == campaign_id)
        bind.execute(of.values(kept=kept))

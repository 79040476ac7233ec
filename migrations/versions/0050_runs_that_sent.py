"""Runs whose totals are erased say whether they sent anything: texts that reached nobody are not genuine.

What is erased already is told from the certificate of the campaign's numbers, which has its totals by state.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

_SENT = range(1, 8)  # from SUBMITTED to DELIVERED

_ERASURES = sa.table("erasures", *map(sa.column, ("id", "kind", "subject_id", "totals")))
_RUNS = sa.table("runs", *map(sa.column, ("id", "campaign_id", "state", "started_at", "any_sent")))


def upgrade() -> None:
    op.add_column("runs", sa.Column("any_sent", sa.Boolean))
    connection = op.get_bind()
    e, numbers = _ERASURES.c, sa.alias(_ERASURES)
    query = sa.select(e.subject_id, numbers.c.totals).outerjoin(
        numbers, sa.and_(numbers.c.subject_id == e.subject_id, numbers.c.kind == "campaign")
    )
    for row in connection.execute(query.where(e.kind == "totals").order_by(e.id)).all():
        _fill(connection, row.subject_id, row.totals)


def _fill(connection: sa.Connection, campaign_id: int, totals: Any) -> None:
    """Say of each run what is known: of which of several a campaign's totals are, nobody knows any more.

    A finished run keeps the answer that it had, and one that was cancelled has one where none is finished.
    """
    r = _RUNS.c
    rows = json.loads(totals) if isinstance(totals, str) else totals or ()
    sent = any(state in _SENT and n > 0 for state, _, n, *_ in rows)
    own = sa.select(r.id, r.state, r.started_at).where(r.campaign_id == campaign_id)
    runs = connection.execute(own).all()
    finished = {run.id for run in runs if run.state == "finished"}
    begun = finished or {run.id for run in runs if run.started_at is not None}
    for run in runs:
        noted = sa.update(_RUNS).where(r.id == run.id)
        connection.execute(noted.values(any_sent=sent and run.id in begun))


def downgrade() -> None:
    op.drop_column("runs", "any_sent")

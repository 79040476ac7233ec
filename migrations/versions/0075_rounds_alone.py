"""A follow-up is the only way to write to a person again; its causes are chosen by reason and code."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.core.errors import Conflict

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None

# Messages that a person has had sent again, and requests for it that are open: of a run that is not over.
_UNFINISHED = sa.text(
    """
    SELECT r.id, r.carrier FROM runs r
     WHERE r.state NOT IN ('planned', 'finished', 'cancelled')
       AND (EXISTS (SELECT 1 FROM deliveries d
                     WHERE d.campaign_id = r.campaign_id AND d.run_id = r.id AND d.resends > 0)
         OR EXISTS (SELECT 1 FROM state_events e
                      JOIN deliveries d ON d.campaign_id = e.campaign_id AND d.batch_id = e.batch_id
                       AND d.seq = e.seq
                     WHERE e.campaign_id = r.campaign_id AND e.kind = 2 AND e.reason > 0 AND d.run_id = r.id)
         OR EXISTS (SELECT 1 FROM approval_requests q
                     WHERE q.kind = 'rejected' AND q.state IN ('open', 'approved')
                       AND q.subject = 'run/' || r.id))
     ORDER BY r.id LIMIT 1
    """
)


def upgrade() -> None:
    unfinished = op.get_bind().execute(_UNFINISHED).first()
    if unfinished is not None:
        raise Conflict(
            f"Run {unfinished.id} ({unfinished.carrier}) has messages that were ordered to be sent "
            f"again, and is "
            "not finished. This version sends each message once; people are written to again by a follow-up. "
            "Start the version before, wait until the run is finished or cancel it, then migrate."
        )
    op.add_column("follow_ups", sa.Column("causes", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("follow_ups", "causes")

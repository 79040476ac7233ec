"""A campaign has one text: areas have none of their own any more.

Nothing is dropped: approvals signed the texts and areas of older campaigns, which stay readable and can be
verified. Refuses while such a campaign may still be sent, since all of its messages would have the same text.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.core.errors import Conflict

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None

_OPEN = sa.text(
    """
    SELECT id FROM campaigns
     WHERE CAST(text_areas AS TEXT) <> '{}'
       AND (EXISTS (SELECT 1 FROM runs WHERE campaign_id = campaigns.id
                                         AND state NOT IN ('sent', 'finished', 'cancelled'))
            OR state IN ('draft', 'submitted'))
     ORDER BY id LIMIT 1
    """
)


def upgrade() -> None:
    campaign = op.get_bind().execute(_OPEN).scalar()
    if campaign is not None:
        raise Conflict(
            f"Campaign {campaign} has texts by area, which this version does not send. With the version "
            "before, finish or cancel its runs, or withdraw it; then migrate. Afterwards create one campaign "
            "for each language, with its areas."
        )


def downgrade() -> None:
    pass

"""Answers to messages from citizens, which Loa sent before 0060: under which text.

Answers of a week are a campaign whose `answers_of` names the answer text; who approved that text has approved
them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from app.core.errors import Conflict
from app.database.models import campaigns

Record = Row[Any]
# An answer text never changed after its approval, and its answers said the same in the same hours.
_SAME = (
    *("answers_to", "texts", "wording", "text_areas", "sender", "purpose"),
    *("day_starts", "day_ends", "directive_id"),
)


def source(connection: Connection, campaign: Record) -> Record | None:
    """Return the answer text that a week's answers say; None if they differ from it, or it is not one."""
    row = connection.execute(select(campaigns).where(campaigns.c.id == campaign.answers_of)).first()
    if row is None or row.answers_of is not None or row.answers_to is None:
        return None
    return row if all(getattr(row, name) == getattr(campaign, name) for name in _SAME) else None


def refuse(campaign: Record, field: str = "campaign_id") -> None:
    """Raise Conflict if the campaign is an answer text, or a week's answers: they stay as they are."""
    if campaign.answers_to is not None:
        raise Conflict(
            f"Campaign {campaign.id} answered citizens and stays as it is; make another campaign.",
            field=field,
        )

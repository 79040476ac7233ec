"""Whether a campaign's rows or totals are erased or being erased; from then on its figures are final."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, exists, select

from app.core.errors import Conflict
from app.core.states import BatchState
from app.database.models import erasures

# Built once: nearly every page of a campaign asks it.
_FIRST = (
    select(erasures)
    .where(erasures.c.kind == bindparam("what"), erasures.c.subject_id == bindparam("of"))
    .order_by(erasures.c.id)
    .limit(1)
)


def of_campaign(connection: Connection, campaign_id: int) -> Row[Any] | None:
    """Return the row of `erasures` of a campaign whose erasure has begun, or None."""
    return connection.execute(_FIRST, {"what": "campaign", "of": campaign_id}).first()


def require_none_of_file(connection: Connection, kind: str, row: Row[Any]) -> None:
    """Raise Conflict while a file is being erased, which would take what is imported now as well.

    kind: "batch" or "receipt_file".
    """
    e = erasures.c
    mine = (e.kind == kind, e.subject_id == row.id, e.ended_at.is_(None))
    if row.state == BatchState.ERASED and connection.execute(select(e.id).where(*mine).limit(1)).first():
        raise Conflict(
            "What was imported of this file before is being erased: upload it again in a few minutes."
        )


def of_totals(connection: Connection, campaign_id: int) -> Row[Any] | None:
    """Return the row of `erasures` of a campaign whose totals are erased or being erased, or None."""
    return connection.execute(_FIRST, {"what": "totals", "of": campaign_id}).first()


def totals_are_gone(campaign_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Build the condition that the totals of a campaign are erased or being erased."""
    e = erasures.c
    return exists().where(e.kind == "totals", e.subject_id == campaign_id)


def require_totals(connection: Connection, campaign_id: int) -> None:
    """Raise Conflict once the erasure of the campaign's totals has begun: no figure can be given any more."""
    row = of_totals(connection, campaign_id)
    if row is not None:
        raise Conflict(
            f"The totals of campaign {campaign_id} are erased by the rules of retention (certificate "
            f"{row.id}); what is left of it is in its frozen reports: GET /v1/reports, or `loa report list`."
        )


def require_rows(connection: Connection, campaign_id: int) -> None:
    """Raise Conflict once the erasure of the campaign's rows has begun."""
    if of_campaign(connection, campaign_id) is not None:
        raise Conflict(
            "The numbers of this campaign are erased, so nothing can be sent or decided in it any more; "
            "make a new campaign."
        )

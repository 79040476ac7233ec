"""A clock that was ahead leaves times in the future, and a report of now would leave those rows out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, Connection, func, select

from app.core import clock
from app.core.errors import Conflict
from app.database.connection import shared_ms
from app.database.models import (
    approvals,
    campaigns,
    deliveries,
    receipts,
    run_batches,
    runs,
    state_events,
    statements,
    submissions,
)

# By so much a clock is put right while it runs; whoever reads a report is later than that.
_STEP_MS = 2000


def require_past(connection: Connection, campaign_ids: Sequence[int]) -> None:
    """Raise Conflict where something of these campaigns has a time in the future, by the ledger's clock.

    Reads the journals of these campaigns once.
    """
    now = shared_ms(connection)
    latest = max(_in_future(connection, campaign_ids, now + _STEP_MS), default=None)
    if latest is not None:
        at = clock.local(clock.from_ms(latest))
        raise Conflict(
            f"Part of what is to be reported has a time in the future, up to {at:%d/%m/%Y %H:%M:%S}: the "
            "clock was ahead when it was recorded, and a report of now would leave it out. Set the clock "
            "right (`loa doctor` says whether it is), and make the report after that time."
        )


def _in_future(connection: Connection, ids: Sequence[int], after_ms: int) -> Iterator[int]:
    r, b = runs.c, run_batches.c
    of_campaigns: list[tuple[ColumnElement[int], ColumnElement[bool]]] = [
        (campaigns.c.created_at, campaigns.c.id.in_(ids)),
        (approvals.c.at, approvals.c.campaign_id.in_(ids)),
        *((column, r.campaign_id.in_(ids)) for column in (r.started_at, r.ended_at, r.finished_at)),
        (statements.c.at, statements.c.run_id.in_(select(r.id).where(r.campaign_id.in_(ids)))),
    ]
    journals = [
        (receipts, func.coalesce(receipts.c.matched_at, receipts.c.received_at)),
        (submissions, submissions.c.at),
        (state_events, state_events.c.at),
        (deliveries, deliveries.c.submitted_at),
    ]
    for campaign_id in ids:
        batches = select(b.batch_id).where(b.campaign_id == campaign_id)
        for table, at in journals:
            of_campaigns.append((at, (table.c.campaign_id == campaign_id) & table.c.batch_id.in_(batches)))
    for at, where in of_campaigns:
        found = connection.execute(select(func.max(at)).where(where, at > after_ms)).scalar()
        if found is not None:
            yield found

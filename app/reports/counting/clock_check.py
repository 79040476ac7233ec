"""A clock that was ahead leaves times in the future, and a report of now would leave those rows out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, Connection, Table, and_, func, select

from app.core import clock
from app.core.errors import Conflict
from app.database.connection import shared_ms
from app.database.models import (
    addressees,
    approvals,
    audit,
    campaigns,
    deliveries,
    outreach,
    receipts,
    run_batches,
    runs,
    state_events,
    statements,
    submissions,
)
from app.ledger.directive_deadline import ACTION as DEADLINE

# By so much a clock is put right while it runs; whoever reads a report is later than that.
_STEP_MS = 2000
_Times = Iterator[tuple[ColumnElement[int], ColumnElement[bool]]]


class InFuture(Conflict):
    """Part of what is to be reported has a time in the future: no report of now can have all of it."""


def require_past(
    connection: Connection, campaign_ids: Sequence[int], directive_id: int | None = None
) -> None:
    """Raise InFuture where part of these campaigns has a time in the future, by the ledger's clock.

    directive_id: and what addressees reported under it, and its deadlines. Reads the campaigns' journals.
    """
    latest = newest(connection, campaign_ids, directive_id, after=shared_ms(connection) + _STEP_MS)
    if latest is not None:
        until = clock.moment(latest)
        raise InFuture(
            "Part of the data has a time in the future (up to {at}) because the clock was ahead "
            "when it was recorded, and a report now would leave it out. Set the clock (`loa "
            "doctor` checks it), and create the report after that time.",
            at=f"{until:%d/%m/%Y %H:%M:%S}",
        )


def newest(
    connection: Connection, campaign_ids: Sequence[int], directive_id: int | None = None, after: int = 0
) -> int | None:
    """Return the latest time later than `after` in these campaigns, and under the directive; None if none."""
    times = list(_of_campaigns(campaign_ids))
    if directive_id is not None:
        times += _of_directive(directive_id)
    found = [
        connection.execute(select(func.max(at)).where(where, at > after)).scalar() for at, where in times
    ]
    return max((each for each in found if each is not None), default=None)


def _of_campaigns(ids: Sequence[int]) -> _Times:
    r, b = runs.c, run_batches.c
    yield campaigns.c.created_at, campaigns.c.id.in_(ids)
    yield approvals.c.at, approvals.c.campaign_id.in_(ids)
    for at in (r.started_at, r.ended_at, r.finished_at):
        yield at, r.campaign_id.in_(ids)
    yield statements.c.at, statements.c.run_id.in_(select(r.id).where(r.campaign_id.in_(ids)))
    for campaign_id in ids:
        batches = select(b.batch_id).where(b.campaign_id == campaign_id)
        journals: list[tuple[Table, ColumnElement[int]]] = [
            (receipts, func.coalesce(receipts.c.matched_at, receipts.c.received_at)),
            (submissions, submissions.c.at),
            (state_events, state_events.c.at),
            (deliveries, deliveries.c.submitted_at),
        ]
        for table, said in journals:
            yield said, and_(table.c.campaign_id == campaign_id, table.c.batch_id.in_(batches))


def _of_directive(directive_id: int) -> _Times:
    a = addressees.c
    yield audit.c.at, and_(audit.c.subject == f"directive/{directive_id}", audit.c.action == DEADLINE)
    yield outreach.c.at, outreach.c.addressee_id.in_(select(a.id).where(a.directive_id == directive_id))

"""What one report speaks of: a run of a campaign, with all of its batches or one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, select

from app.core.errors import NotFound, no_such
from app.core.states import RunState
from app.database.models import batches, campaigns, directives, run_batches, runs
from app.reports.figures import OVER, Header
from app.reports.receipt_level import proved


@dataclass(frozen=True, slots=True)
class Scope:
    """The run's row, and the rows of its batches, with how far each has been turned into deliveries."""

    run: Row[Any]
    batches: Sequence[Row[Any]]
    whole: bool = True  # all of the run's batches

    @property
    def name(self) -> str:
        """For sentences: which report does not add up."""
        which = ", ".join(str(batch.id) for batch in self.batches) or "none"
        return f"Run {self.run.id} ({self.run.carrier}), batches {which}"

    def begun(self, cutoff_ms: int) -> bool:
        """Its subscribers had begun to be queued by then (ms since 1970)."""
        started: int | None = self.run.started_at
        return self.run.state != RunState.PLANNED if started is None else started <= cutoff_ms

    def closed(self, cutoff_ms: int) -> bool:
        """What was not queued by then was not going to be."""
        ended: int | None = self.run.ended_at
        over = self.run.state in OVER and self.run.closing is not None
        return over and (ended is None or ended <= cutoff_ms)

    def within(self, table: Table) -> list[ColumnElement[bool]]:
        """The condition that a row of a ledger table belongs here."""
        ids = [batch.id for batch in self.batches]
        return [table.c.campaign_id == self.run.campaign_id, table.c.batch_id.in_(ids)]


def of_run(connection: Connection, run_id: int) -> Scope:
    """A run with all of its batches, or NotFound."""
    run = connection.execute(select(runs).where(runs.c.id == run_id)).first()
    if run is None:
        raise no_such("run", run_id, field="run_id")
    return Scope(run, _batches(connection, run_batches.c.run_id == run_id))


def not_part(campaign_id: int, batch_id: int) -> NotFound:
    """That the batch belongs to no run of the campaign."""
    return NotFound(
        f"Batch {batch_id} is not part of campaign {campaign_id}; GET /v1/campaigns/{{id}} and `loa "
        "campaign show` tell which are.",
        field="campaign",
    )


def of_batch(connection: Connection, campaign_id: int, batch_id: int) -> Scope:
    """One batch in one campaign, or NotFound."""
    b = run_batches.c
    own = (b.campaign_id == campaign_id, b.batch_id == batch_id)
    run = connection.execute(select(runs).join(run_batches, runs.c.id == b.run_id).where(*own)).first()
    if run is None:
        raise not_part(campaign_id, batch_id)
    return Scope(run, _batches(connection, *own), whole=False)


def _batches(connection: Connection, *where: ColumnElement[bool]) -> list[Row[Any]]:
    b = batches.c
    columns = (b.id, b.name, b.lines, b.accepted, b.rejected, b.repeated, run_batches.c.fanned_upto)
    query = select(*columns).join(run_batches, run_batches.c.batch_id == b.id).where(*where).order_by(b.id)
    return list(connection.execute(query))


def header(connection: Connection, scope: Scope, cutoff_ms: int) -> Header:
    """The head of the report: who asked, what was sent, through whom, when."""
    c, d, run = campaigns.c, directives.c, scope.run
    joined = campaigns.outerjoin(directives, d.id == c.directive_id)
    columns = (c.name, c.sender, c.texts, d.number, d.issued_on, d.subject)
    query = select(*columns).select_from(joined).where(c.id == run.campaign_id)
    campaign = connection.execute(query).one()
    return Header(
        campaign_id=run.campaign_id,
        campaign=campaign.name,
        run_id=run.id,
        carrier=run.carrier,
        run_state=run.state,
        batches=tuple(batch.id for batch in scope.batches),
        sender=campaign.sender,
        directive=f"{campaign.number} ({campaign.issued_on})" if campaign.number else None,
        texts=dict(campaign.texts),
        receipt_level=proved(connection, run, cutoff_ms),
        started_ms=run.started_at,
        ended_ms=run.ended_at,
        cutoff_ms=cutoff_ms,
    )

"""The result report of a run whose carrier sends to its own subscribers, as stated."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from app.core import clock
from app.core.errors import Conflict
from app.core.states import RunState
from app.database.models import audiences
from app.reports.counting import scope
from app.reports.figures import by_area, carrier_statement
from app.reports.figures.carrier_statement import AreaCounts, Statement
from app.reports.figures.figures import RULES, Header, NamedArea


@dataclass(frozen=True, slots=True)
class StatedReport:
    """One run as stated by its carrier. places: form 2 by the areas of the report's day."""

    header: Header
    statement: Statement
    area_basis: str
    places: tuple[AreaCounts, ...]
    empty: tuple[NamedArea, ...] = ()  # areas ordered but missing from form 2
    rules: int = RULES

    @property
    def cutoff_ms(self) -> int:
        """Cut-off, ms since 1970; later statements do not count."""
        return self.header.cutoff_ms

    @property
    def interim(self) -> bool:
        return self.statement.interim if self.rules >= 2 else self.statement.lacks_receipts


def is_held(connection: Connection, run_id: int) -> bool:
    return (
        connection.execute(select(audiences.c.run_id).where(audiences.c.run_id == run_id)).first() is not None
    )


def build(connection: Connection, run_id: int, cutoff_ms: int) -> StatedReport:
    """Return the report as stated by `cutoff_ms`; raises Conflict if nothing was."""
    of = scope.of_run(connection, run_id)
    statement = carrier_statement.latest(connection, run_id, cutoff_ms)
    if statement is None:
        raise Conflict(
            "{carrier} sends run {run} itself and had not reported any figures by then. Send the carrier "
            "the form (`loa statement form {number} --out FILE.xlsx`), or enter the figures from "
            "its letter.",
            carrier=of.run.carrier,
            run=run_id,
            number=run_id,
        )
    head = scope.header(connection, of, cutoff_ms)
    began = statement.began_ms or head.started_ms
    state = RunState.RUNNING if statement.ended_ms is None else RunState.SENT
    level = int(statement.level)
    head = replace(head, run_state=state, receipt_level=level, started_ms=began, ended_ms=statement.ended_ms)
    query = select(audiences.c.area_basis, audiences.c.areas).where(audiences.c.run_id == run_id)
    audience = connection.execute(query).first()
    on = clock.moment(head.started_ms or head.cutoff_ms).date()
    places = by_area.stated_rows(statement.figures.areas, on)
    within = audience.areas if audience else ()
    empty = by_area.empty((place.code for place in places), on, within)
    return StatedReport(head, statement, audience.area_basis if audience else "", places, empty)


def silent(connection: Connection, campaign_id: int) -> frozenset[int]:
    """Return the runs without any report: their carriers send themselves and have stated nothing."""
    held = carrier_statement.held_runs(connection, campaign_id)
    return held - carrier_statement.of_campaign(connection, campaign_id).keys()

"""A plan on one page: its rounds with windows, campaigns, states, sizes, and whom they reached."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from app.campaigns import follow_ups, plans, queries
from app.campaigns.plans import Phase
from app.campaigns.queries import RunFilter
from app.core import clock
from app.core.states import CampaignState, DeliveryState, RunState
from app.database.listing import ListColumns, ListPart, ListRequest, part, without_marks
from app.database.models import campaigns, directives, plan_rounds, runs, tallies
from app.database.models import plans as plan_rows
from app.ledger.receipt_times import EVER
from app.reports.build import unique_reach
from app.reports.build.unique_reach import ReachCount

_PLANS = select(plan_rows.c.id, plan_rows.c.name, plan_rows.c.directive_id, directives.c.number).join(
    directives
)
ORDERS = {"name": without_marks(plan_rows.c.name), "made": plan_rows.c.id}


@dataclass(frozen=True, slots=True)
class PlanRound:
    """A round. subscribers: of its campaign's runs, roughly where the carrier sends by itself.

    outside: its campaign's window was edited and no longer lies in the round's. first: persons whom it was
    the first of the plan to reach; repeated: whom an earlier round had reached as well.
    """

    nth: int
    phase: Phase
    window_start: datetime
    window_end: datetime
    campaign_id: int | None = None
    campaign: str | None = None
    state: CampaignState | None = None
    runs: dict[str, RunState] | None = None
    subscribers: int = 0
    outside: bool = False
    follows_up: list[int] | None = None
    first: int | None = 0
    repeated: int | None = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan with its rounds; persons: reached at least once by any of them.

    persons, and first and repeated of the rounds, are null where the numbers of one campaign were erased
    before the others were over: who was reached by both can't be told then.
    """

    id: int
    name: str
    directive_id: int
    directive: str
    created_at: datetime
    created_by: str
    persons: int | None
    rounds: list[PlanRound]


@dataclass(frozen=True, slots=True)
class PlanLine:
    """A plan in a list; campaigns: how many of its rounds have one."""

    id: int
    name: str
    directive_id: int
    directive: str
    rounds: int
    campaigns: int


def page(connection: Connection, after: int, limit: int) -> list[PlanLine]:
    p = plan_rows.c
    query = _PLANS.where(p.id > after).order_by(p.id).limit(limit)
    return _lines(connection, connection.execute(query).all())


def listed(connection: Connection, asked: ListRequest, limit: int) -> ListPart[PlanLine]:
    p = plan_rows.c
    columns = ListColumns(p.id, p.created_at, names=[p.name, directives.c.number], orders=ORDERS)
    found = part(connection, _PLANS, columns, asked, limit)
    return ListPart(_lines(connection, found.items), found.total, found.next)


def _lines(connection: Connection, found: Sequence[Any]) -> list[PlanLine]:
    r = plan_rounds.c
    rounds = select(r.plan_id, r.campaign_id).where(r.plan_id.in_([row.id for row in found]))
    every = connection.execute(rounds).all()
    return [
        PlanLine(
            row.id,
            row.name,
            row.directive_id,
            row.number,
            sum(each.plan_id == row.id for each in every),
            sum(each.plan_id == row.id and each.campaign_id is not None for each in every),
        )
        for row in found
    ]


def plan(connection: Connection, plan_id: int) -> Plan:
    """Return the plan with what became of each round. Raises NotFound. Call through db.read."""
    row, planned = plans.get(connection, plan_id), plans.rounds_of(connection, plan_id)
    number = select(directives.c.number).where(directives.c.id == row.directive_id)
    ids = [each.campaign_id for each in planned if each.campaign_id is not None]
    reach = _reach(connection, ids)
    return Plan(
        id=row.id,
        name=row.name,
        directive_id=row.directive_id,
        directive=connection.execute(number).scalar_one(),
        created_at=clock.local(clock.from_ms(row.created_at)),
        created_by=row.created_by,
        persons=None if reach is None else sum(each.first for each in reach),
        rounds=[_round(connection, each, reach) for each in planned],
    )


# What was counted last, by database and campaigns with how many messages of each had been delivered.
_counted: OrderedDict[tuple[object, ...], Sequence[ReachCount]] = OrderedDict()
_MOST_COUNTED = 64


def _reach(connection: Connection, ids: Sequence[int]) -> Sequence[ReachCount] | None:
    """Count whom these campaigns reached, and again only when more messages have been delivered.

    What is delivered stays so. While no tally of it has grown, a count over all deliveries gives the same.
    None where some of them were erased before the others were over.
    """
    if unique_reach.erased_apart(connection, ids) is not None:
        return None
    r, t = runs.c, tallies.c
    delivered = (t.run_id == r.id) & (t.state == DeliveryState.DELIVERED)
    query = select(r.id, r.created_at, func.sum(t.n)).outerjoin_from(runs, tallies, delivered)
    query = query.where(r.campaign_id.in_(ids)).group_by(r.id, r.created_at).order_by(r.id)
    rows = connection.execute(query).all()
    key = (str(connection.engine.url), *map(tuple, rows))
    found = _counted.get(key)
    if found is None:
        found = unique_reach.of_campaigns(connection, ids, EVER)
        _counted[key] = found
        while len(_counted) > _MOST_COUNTED:
            _counted.popitem(last=False)
    return found


def _round(connection: Connection, planned: Row[Any], reach: Sequence[ReachCount] | None) -> PlanRound:
    start, end = (clock.local(clock.from_ms(ms)) for ms in (planned.window_start, planned.window_end))
    empty = PlanRound(planned.nth, Phase(planned.phase), start, end)
    if planned.campaign_id is None:
        return empty
    row = connection.execute(select(campaigns).where(campaigns.c.id == planned.campaign_id)).one()
    own = [each for each in reach or () if each.campaign_id == row.id]
    members = RunFilter(campaign_id=row.id).of(select(runs).order_by(runs.c.id))
    found = queries.runs_of(connection, members)
    follow_up = follow_ups.of_campaign(connection, row.id)
    return replace(
        empty,
        campaign_id=row.id,
        campaign=row.name,
        state=CampaignState(row.state),
        runs={run.carrier: run.state for run in found},
        subscribers=sum(run.audience.estimated if run.audience else run.subscribers for run in found),
        outside=not plans.is_within(row, planned),
        follows_up=follow_up.sources if follow_up else None,
        first=None if reach is None else sum(each.first for each in own),
        repeated=None if reach is None else sum(each.repeated for each in own),
    )

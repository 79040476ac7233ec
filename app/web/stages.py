"""How a run, a campaign or a letter stands: its state, and what keeps what is under way from being sent.

Lists ask the database for it, so that they can be filtered by it; pages with figures have it of RunView.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Integer, and_, case, exists, func, null, or_, select
from sqlalchemy import cast as as_type

from app.campaigns import forecast
from app.core import clock
from app.core.states import OVER, CampaignState, RunState
from app.database.models import audiences, campaigns, directives, runs
from app.observability import link_status
from app.security.tenant_scope import own_campaigns


class Stage(StrEnum):
    """What holds up a run under way."""

    LINK_DOWN = "link_down"  # no link of its carrier works
    SUSPENDED = "suspended"  # it has paused itself
    WAITS_FOR_HOURS = "waits_for_hours"


# Of several runs the first of these says how the campaign stands.
ORDER: tuple[str, ...] = (
    Stage.LINK_DOWN,
    Stage.SUSPENDED,
    RunState.PAUSED,
    RunState.CANCELLING,
    Stage.WAITS_FOR_HOURS,
    RunState.RUNNING,
    RunState.PLANNED,
    RunState.SENT,
    RunState.FINISHED,
    RunState.CANCELLED,
)
# By what a list of campaigns is filtered, what is live first.
FILTERS: tuple[str, ...] = (
    *ORDER[:6],
    CampaignState.SUBMITTED,
    *ORDER[6:],
    CampaignState.DRAFT,
    CampaignState.REJECTED,
    CampaignState.WITHDRAWN,
)
_RESTS = (CampaignState.DRAFT, CampaignState.REJECTED, CampaignState.WITHDRAWN)


def of_run(state: RunState, *, suspended: bool, down: bool, is_open: bool) -> str:
    """Return how a run stands; down: no link of its carrier works; is_open: its hours allow sending now."""
    if state is RunState.PAUSED and suspended:
        return Stage.SUSPENDED
    if state is not RunState.RUNNING or (is_open and not down):
        return state
    return Stage.LINK_DOWN if down else Stage.WAITS_FOR_HOURS


def of_runs(stages: Collection[str]) -> str | None:
    """Return how several runs stand; None for none."""
    return min(stages, key=ORDER.index, default=None)


@dataclass(frozen=True, slots=True)
class StageColumns:
    """Columns of the database that say how things stand at one moment, as this module's functions do."""

    up: frozenset[str]  # carriers with a link that works
    now: datetime
    operator: str | None = None  # whose runs alone count

    def run(self) -> ColumnElement[str]:
        """Return how a row of `runs` joined to its campaign stands."""
        r = runs.c
        held = exists().where(audiences.c.run_id == r.id).correlate(runs)
        sends = (r.state == RunState.RUNNING) & ~held
        return case(
            (and_(r.state == RunState.PAUSED, r.suspended.is_not(null())), Stage.SUSPENDED.value),
            (and_(sends, r.carrier.not_in(sorted(self.up))), Stage.LINK_DOWN.value),
            (and_(sends, self._closed()), Stage.WAITS_FOR_HOURS.value),
            else_=r.state,
        )

    def campaign(self) -> ColumnElement[str]:
        """Return how a row of `campaigns` stands: as the first of ORDER of its runs, once it is approved."""
        rank = case({stage: nth for nth, stage in enumerate(ORDER)}, value=self.run())
        own = select(func.min(as_type(rank, Integer))).where(runs.c.campaign_id == campaigns.c.id)
        own = own if self.operator is None else own.where(runs.c.carrier == self.operator)
        least = own.correlate(campaigns).scalar_subquery()
        stage = case({nth: str(stage) for nth, stage in enumerate(ORDER)}, value=least)
        approved = campaigns.c.state == CampaignState.APPROVED
        return case((and_(approved, least.is_not(None)), stage), else_=campaigns.c.state)

    def directive(self) -> ColumnElement[str | None]:
        """Return how a row of `directives` stands: as the first of FILTERS of its campaigns, if any."""
        c = campaigns.c
        rank = case({stage: nth for nth, stage in enumerate(FILTERS)}, value=self.campaign())
        own = select(func.min(as_type(rank, Integer))).where(c.directive_id == directives.c.id)
        own = own if self.operator is None else own.where(own_campaigns(self.operator))
        least = own.correlate(directives).scalar_subquery()
        return case({nth: str(stage) for nth, stage in enumerate(FILTERS)}, value=least)

    def _closed(self) -> ColumnElement[bool]:
        """Match campaigns outside their window or hours: `open_at` of app/core/sending_window.py in SQL."""
        c, hour = campaigns.c, f"{clock.local(self.now):%H:%M}"
        at = clock.to_ms(self.now)
        ended = c.window_end.is_not(None) & (c.window_end <= at)
        begun = c.window_start.is_(None) | (c.window_start <= at)
        return or_(~begun, ended, c.day_starts > hour, c.day_ends <= hour)


def columns(connection: Connection, operator: str | None = None) -> StageColumns:
    links = link_status.links_now(connection)
    down = link_status.standstills(links)
    return StageColumns(frozenset(set(forecast.rates(links)) - set(down)), clock.now(), operator)


def of_campaigns(connection: Connection, ids: Collection[int], operator: str | None) -> dict[int, str]:
    """Return how these campaigns stand, by id; operator: whose runs alone count."""
    query = select(campaigns.c.id, columns(connection, operator).campaign()).where(campaigns.c.id.in_(ids))
    return {row[0]: row[1] for row in connection.execute(query)}


def of_directives(connection: Connection, ids: Collection[int], operator: str | None) -> dict[int, str]:
    """Return how these directives stand, by id, without those that have no campaign."""
    stage = columns(connection, operator).directive()
    rows = connection.execute(select(directives.c.id, stage).where(directives.c.id.in_(ids)))
    return {row[0]: row[1] for row in rows if row[1]}


def of_runs_by_id(connection: Connection, ids: Collection[int]) -> dict[int, str]:
    """Return how these runs stand, by id."""
    query = select(runs.c.id, columns(connection).run()).join(campaigns, campaigns.c.id == runs.c.campaign_id)
    return {row[0]: row[1] for row in connection.execute(query.where(runs.c.id.in_(ids)))}


def liveness() -> ColumnElement[int]:
    """Rank campaigns for a list: what is live highest, then what is over, then drafts and the rejected."""
    own = runs.c.campaign_id == campaigns.c.id
    over = ~exists().where(own, runs.c.state.not_in(OVER))
    has_run = exists().where(own)
    return case((campaigns.c.state.in_(_RESTS), 0), (over & has_run, 1), else_=2)

"""Directives against their deadlines, for the overview."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Row, case, func, select

from app.campaigns import queries
from app.core import clock
from app.core.states import CampaignState, RunState
from app.database.models import campaigns, directives, runs
from app.security.tenant_scope import own_directives
from app.web.view_models import run_status, traffic_light
from app.web.view_models.run_status import RunView
from app.web.view_models.traffic_light import Judged

MOST = 20
SHOWN_MS = 7 * 86_400_000  # time that ended campaigns and passed deadlines stay on the page


@dataclass(frozen=True, slots=True)
class DirectiveDeadline:
    """A directive against its deadline; left: negative once it has passed."""

    id: int
    number: str
    subject: str
    deadline: datetime | None
    left: timedelta | None
    campaigns: int
    judged: Judged


def directive_deadlines(
    connection: Connection, carrier: str | None, shown: Mapping[int, int], of: Sequence[RunView]
) -> list[DirectiveDeadline]:
    """Return directives of campaigns on the page or with a recent deadline, nearest first.

    shown: the directive of each approved campaign on the page; of: their runs. All other runs approved under
    a directive are judged as well, however long ago they ended.
    """
    d, own = directives.c, set(shown.values())
    fresh = d.report_deadline.is_(None) | (d.report_deadline >= clock.now_ms() - SHOWN_MS)
    query = (
        select(directives)
        .where(d.id.in_(own) | fresh)
        .order_by(d.id.in_(own).desc(), d.id.desc())
        .limit(MOST)
    )
    query = query if carrier is None else query.where(own_directives(carrier))
    rows = connection.execute(query).all()
    work = _work(connection, [row.id for row in rows], carrier)
    judged = _judged(connection, carrier, [row.id for row in rows], shown, of)
    found = [_letter(row, judged[row.id], work.get(row.id, _NO_WORK), clock.now()) for row in rows]
    return sorted(found, key=_urgency)


def _judged(
    connection: Connection,
    carrier: str | None,
    ids: Collection[int],
    shown: Mapping[int, int],
    of: Sequence[RunView],
) -> dict[int, list[Judged]]:
    """Return the lights of every run approved under each directive."""
    c, r, d = campaigns.c, runs.c, directives.c
    columns: tuple[Any, ...] = (r.id, r.campaign_id, r.state, r.ended_at, c.directive_id, d.report_deadline)
    query = select(*columns).join(campaigns, c.id == r.campaign_id).join(directives, d.id == c.directive_id)
    query = query.where(c.directive_id.in_(ids), c.state == CampaignState.APPROVED)
    query = query if carrier is None else query.where(r.carrier == carrier)
    others = connection.execute(query.where(c.id.not_in(list(shown)))).all()
    lights = _lights(connection, others)
    found: dict[int, list[Judged]] = {each: [] for each in ids}
    for run in of:
        if shown.get(run.campaign_id) in found:
            found[shown[run.campaign_id]].append(Judged(run.light, run.said))
    for row in others:
        found[row.directive_id].append(lights[row.id])
    return found


# Lights of runs that ended long ago, by database and by what they were judged from. A late receipt or
# statement may still change one: each is looked at once a minute, not at every poll of an open overview.
_KEPT_S = 60.0
_Kept = dict[tuple[Any, ...], tuple[float, Judged]]
_kept: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()


def _lights(connection: Connection, rows: Sequence[Row[Any]]) -> dict[int, Judged]:
    kept, now, long_ago = _kept.get(connection.engine, {}), clock.monotonic(), clock.now_ms() - SHOWN_MS
    still = {key: each for key, each in kept.items() if now - each[0] < _KEPT_S}
    found = {row.id: still[tuple(row)][1] for row in rows if tuple(row) in still}
    rest = [row for row in rows if row.id not in found]
    if rest:
        of = select(campaigns).where(campaigns.c.id.in_({row.campaign_id for row in rest}))
        members = queries.runs_of(connection, select(runs).where(runs.c.id.in_([row.id for row in rest])))
        views = run_status.views(connection, connection.execute(of).all(), members)
        found |= {view.id: Judged(view.light, view.said) for view in views}
    old = [row for row in rest if row.ended_at is not None and row.ended_at < long_ago]
    _kept[connection.engine] = still | {tuple(row): (now, found[row.id]) for row in old}
    return found


@dataclass(frozen=True, slots=True)
class _Work:
    """Work approved under a directive: campaigns, open runs, and when the last one ended."""

    campaigns: int
    open: int
    ended_at: int | None


_NO_WORK = _Work(0, 0, None)


def _work(connection: Connection, ids: Collection[int], carrier: str | None) -> dict[int, _Work]:
    c, r = campaigns.c, runs.c
    going = case((r.state.in_([*map(str, traffic_light.UNDER_WAY), str(RunState.PLANNED)]), 1), else_=0)
    query = (
        select(
            c.directive_id,
            func.count(c.id.distinct()),
            func.coalesce(func.sum(going), 0),
            func.max(r.ended_at),
        )
        .outerjoin(runs, r.campaign_id == c.id)
        .where(c.directive_id.in_(ids), c.state == CampaignState.APPROVED)
        .group_by(c.directive_id)
    )
    query = query if carrier is None else query.where(r.carrier == carrier)
    return {row[0]: _Work(row[1], int(row[2]), row[3]) for row in connection.execute(query)}


def _urgency(of: DirectiveDeadline) -> tuple[bool, bool, float]:
    """Sort coming deadlines before passed ones, nearest first."""
    left = 0.0 if of.left is None else of.left.total_seconds()
    return of.left is None, left < 0, abs(left)


def _letter(row: Row[Any], of: Sequence[Judged], work: _Work, now: datetime) -> DirectiveDeadline:
    deadline = None if row.report_deadline is None else clock.from_ms(row.report_deadline)
    judged = traffic_light.worst(of)
    left = None if deadline is None else deadline - now
    if deadline is not None and work.ended_at is not None and clock.from_ms(work.ended_at) > deadline:
        judged = traffic_light.LATE
    if left is not None and left < timedelta(0) and (work.open or not work.campaigns):
        judged = traffic_light.PASSED
    return DirectiveDeadline(row.id, row.number, row.subject, deadline, left, work.campaigns, judged)

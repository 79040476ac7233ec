"""Directives against their deadlines, for the overview."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Row, select

from app.core import clock
from app.core.states import CampaignState, RunState
from app.database.models import campaigns, directives, runs
from app.security.tenant_scope import own_directives
from app.web.view_models import traffic_light
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


@dataclass(frozen=True, slots=True)
class _Work:
    """Work approved under a directive: campaigns, open runs, and when the last one ended."""

    campaigns: int
    open: int
    ended_at: int | None


_NO_WORK = _Work(0, 0, None)


@dataclass(frozen=True, slots=True)
class DueDirectives:
    """Directives of the page, and the runs approved under them of campaigns that the page does not show.

    shown: the directive of each approved campaign on the page; others: the other runs, however long ago they
    ended; known: the lights of some of them, by run.
    """

    rows: Sequence[Row[Any]]
    work: Mapping[int, _Work]
    shown: Mapping[int, int]
    others: Sequence[Row[Any]]
    known: Mapping[int, Judged]

    @property
    def unjudged(self) -> dict[int, int]:
        """Return the campaign of each of the other runs whose light is to be found."""
        return {row.id: row.campaign_id for row in self.others if row.id not in self.known}


def due_directives(connection: Connection, carrier: str | None, shown: Mapping[int, int]) -> DueDirectives:
    """Find directives of campaigns on the page or with a recent deadline."""
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
    ids = [row.id for row in rows]
    if not ids:
        return DueDirectives([], {}, shown, [], {})
    approved = _approved(connection, carrier, ids)
    others = [row for row in approved if row.id is not None and row.campaign_id not in shown]
    return DueDirectives(rows, _work(approved), shown, others, _known(connection, others))


def deadlines(connection: Connection, of: DueDirectives, views: Sequence[RunView]) -> list[DirectiveDeadline]:
    """Judge the directives, nearest first, by all runs of the page and of `of.unjudged`."""
    lights = {**of.known} | {view.id: Judged(view.light, view.said) for view in views}
    if new := [row for row in of.others if row.id not in of.known]:
        _keep(connection, new, lights)
    judged: dict[int, list[Judged]] = {row.id: [] for row in of.rows}
    for run in views:
        if of.shown.get(run.campaign_id) in judged:
            judged[of.shown[run.campaign_id]].append(lights[run.id])
    for row in of.others:
        judged[row.directive_id].append(lights[row.id])
    found = [_letter(row, judged[row.id], of.work.get(row.id, _NO_WORK), clock.now()) for row in of.rows]
    return sorted(found, key=_urgency)


def _approved(connection: Connection, carrier: str | None, ids: Collection[int]) -> Sequence[Row[Any]]:
    """Return the runs approved under these directives; a campaign without runs has one row without a run."""
    c, r, d = campaigns.c, runs.c, directives.c
    columns: tuple[Any, ...] = (r.id, r.state, r.ended_at, c.directive_id, d.report_deadline)
    query = select(c.id.label("campaign_id"), *columns).select_from(campaigns)
    query = query.join(directives, d.id == c.directive_id).outerjoin(runs, r.campaign_id == c.id)
    query = query.where(c.directive_id.in_(ids), c.state == CampaignState.APPROVED)
    return connection.execute(query if carrier is None else query.where(r.carrier == carrier)).all()


# Lights of runs that ended long ago, by database and by what they were judged from. A late receipt or
# statement may still change one: each is looked at once a minute, not at every poll of an open overview.
_KEPT_S = 60.0
_Kept = dict[tuple[Any, ...], tuple[float, Judged]]
_kept: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()


def _known(connection: Connection, rows: Sequence[Row[Any]]) -> dict[int, Judged]:
    kept = _still_kept(connection)
    return {row.id: kept[tuple(row)][1] for row in rows if tuple(row) in kept}


def _still_kept(connection: Connection) -> _Kept:
    now = clock.monotonic()
    return {key: each for key, each in _kept.get(connection.engine, {}).items() if now - each[0] < _KEPT_S}


def _keep(connection: Connection, rows: Sequence[Row[Any]], lights: Mapping[int, Judged]) -> None:
    now, long_ago, kept = clock.monotonic(), clock.now_ms() - SHOWN_MS, _still_kept(connection)
    old = [row for row in rows if row.ended_at is not None and row.ended_at < long_ago]
    _kept[connection.engine] = {tuple(row): (now, lights[row.id]) for row in old} | kept


_OPEN = frozenset({*map(str, traffic_light.UNDER_WAY), str(RunState.PLANNED)})


def _work(approved: Iterable[Row[Any]]) -> dict[int, _Work]:
    """Sum up these runs by directive."""
    rows: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in approved:
        rows[row.directive_id].append(row)
    return {
        directive: _Work(
            campaigns=len({row.campaign_id for row in own}),
            open=sum(row.state in _OPEN for row in own),
            ended_at=max((row.ended_at for row in own if row.ended_at is not None), default=None),
        )
        for directive, own in rows.items()
    }


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

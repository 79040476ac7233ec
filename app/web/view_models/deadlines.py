"""Directives against their deadlines, for the overview."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, bindparam, func, select

from app.core import clock
from app.core.states import CampaignState, RunState
from app.database.models import campaigns, directives, runs
from app.security.tenant_scope import own_directives
from app.web.stages import Stage
from app.web.view_models import traffic_light
from app.web.view_models.run_status import RunView
from app.web.view_models.traffic_light import Judged

MOST = 20
SHOWN_MS = 7 * 86_400_000  # time that ended campaigns and passed deadlines stay on the page


@dataclass(frozen=True, slots=True)
class DirectiveDeadline:
    """A directive against its deadline; left: negative once it has passed.

    judged: the worst light of its runs, or a deadline that has passed; verdict: whether it is kept, alone;
    because: why that is not known, or why not; going: campaigns under it that are not over.
    """

    id: int
    number: str
    subject: str
    deadline: datetime | None
    left: timedelta | None
    campaigns: int
    judged: Judged
    verdict: Judged
    because: Judged | None
    going: int = 0


@dataclass(frozen=True, slots=True)
class _Work:
    """Work approved under a directive: campaigns, open runs, and when the last one ended.

    past: what tells the runs that ended long ago, of campaigns that the page does not show, from any others.
    """

    campaigns: int
    open: int
    ended_at: int | None
    past: tuple[Any, ...]


_NO_WORK = _Work(0, 0, None, ())


@dataclass(frozen=True, slots=True)
class DueDirectives:
    """Directives of the page, and the runs approved under them of campaigns that the page does not show.

    shown: the directive of each approved campaign on the page; others: the other runs, but for those that
    ended long ago under a directive whose lights are known; known: those lights, by directive.
    """

    rows: Sequence[Row[Any]]
    work: Mapping[int, _Work]
    shown: Mapping[int, int]
    others: Sequence[Row[Any]]
    known: Mapping[int, tuple[Judged, ...]]

    @property
    def unjudged(self) -> dict[int, int]:
        """Return the campaign of each of the other runs whose light is to be found."""
        return {row.id: row.campaign_id for row in self.others}


def due_directives(
    connection: Connection, carrier: str | None, shown: Mapping[int, int], only: int | None = None
) -> DueDirectives:
    """Find directives of campaigns on the page or with a recent deadline, or only one."""
    given: dict[str, Any] = {"shown": list(shown), "long_ago": clock.now_ms() - SHOWN_MS}
    if only is None:
        rows = connection.execute(_due(carrier), given | {"own": list(set(shown.values()))}).all()
    else:
        rows = connection.execute(_letters(), {"only": only}).all()
    if not rows:
        return DueDirectives([], {}, shown, [], {})
    given["ids"] = [row.id for row in rows]
    work = {
        directive: _Work(n, open_, ended_at, (carrier, directive, deadline, *past))
        for directive, deadline, n, open_, ended_at, *past in connection.execute(_sums(carrier), given).all()
    }
    kept = _still_kept(connection)
    known = {each: kept[of.past][1] for each, of in work.items() if of.past in kept}
    others = connection.execute(_others(carrier), given | {"known": list(known)}).all()
    return DueDirectives(rows, work, shown, others, known)


def deadlines(
    connection: Connection, due_directives: DueDirectives, views: Sequence[RunView]
) -> list[DirectiveDeadline]:
    """Judge the directives, nearest first, by all runs of the page and of `due_directives.unjudged`."""
    lights = {view.id: Judged(view.light, view.said) for view in views}
    judged: dict[int, list[Judged]] = {
        row.id: [*due_directives.known.get(row.id, ())] for row in due_directives.rows
    }
    for run in views:
        if due_directives.shown.get(run.campaign_id) in judged:
            judged[due_directives.shown[run.campaign_id]].append(lights[run.id])
    past: defaultdict[int, list[Judged]] = defaultdict(list)
    for row in due_directives.others:
        (past if row.past else judged)[row.directive_id].append(lights[row.id])
    for directive, found in past.items():
        judged[directive] += found
    _keep(
        connection, {due_directives.work[directive].past: tuple(found) for directive, found in past.items()}
    )
    open_runs: defaultdict[int, list[RunView]] = defaultdict(list)
    directive_of = {row.id: row.directive_id for row in due_directives.others}
    for run in views:
        if run.state in _OPEN:
            open_runs[due_directives.shown.get(run.campaign_id) or directive_of.get(run.id, 0)].append(run)
    letters = [
        _letter(
            row, judged[row.id], due_directives.work.get(row.id, _NO_WORK), open_runs[row.id], clock.now()
        )
        for row in due_directives.rows
    ]
    return sorted(letters, key=_urgency)


# Each poll of an open page asks these, and to build one costs as much as to ask it: they are built once.


@cache
def _due(carrier: str | None) -> Select[Any]:
    """Ask for the directives `own`, and for others with a deadline that is not `long_ago`."""
    d = directives.c
    own = d.id.in_(bindparam("own", expanding=True))
    fresh = d.report_deadline.is_(None) | (d.report_deadline >= bindparam("long_ago"))
    query = _submitted().where(own | fresh).order_by(own.desc(), d.id.desc()).limit(MOST)
    return query if carrier is None else query.where(own_directives(carrier))


@cache
def _letters() -> Select[Any]:
    return _submitted().where(directives.c.id == bindparam("only"))


def _submitted() -> Select[Any]:
    """Ask for directives, each with how many campaigns under it wait for approval."""
    c = campaigns.c
    own = select(func.count()).where(c.directive_id == directives.c.id, c.state == CampaignState.SUBMITTED)
    return select(directives, own.correlate(directives).scalar_subquery().label("waiting"))


@cache
def _sums(carrier: str | None) -> Select[Any]:
    """Ask for the work under the directives `ids`."""
    c, r, d, past = campaigns.c, runs.c, directives.c, _past()
    sums = func.count(c.id.distinct()), func.count(r.id).filter(r.state.in_(_OPEN)), func.max(r.ended_at)
    of_past = func.count(r.id).filter(past), func.sum(r.id).filter(past), func.max(r.ended_at).filter(past)
    query = _approved(select(d.id, d.report_deadline, *sums, *of_past), carrier)
    return query.join(directives, d.id == c.directive_id).group_by(d.id, d.report_deadline)


@cache
def _others(carrier: str | None) -> Select[Any]:
    """Ask for the runs under the directives `ids` of campaigns that are not `shown`.

    Without those that ended `long_ago` under one of the directives `known`.
    """
    c, r, past = campaigns.c, runs.c, _past()
    columns = r.id, c.id.label("campaign_id"), c.directive_id, past.label("past")
    wanted = ~past | c.directive_id.not_in(bindparam("known", expanding=True))
    return _approved(select(*columns), carrier).where(r.id.is_not(None), _elsewhere(), wanted)


def _past() -> ColumnElement[bool]:
    """Match runs that ended `long_ago`, of campaigns that the page does not show."""
    ended = runs.c.ended_at.is_not(None) & (runs.c.ended_at < bindparam("long_ago"))
    return ended & _elsewhere()


def _elsewhere() -> ColumnElement[bool]:
    return campaigns.c.id.not_in(bindparam("shown", expanding=True))


def _approved(query: Select[Any], carrier: str | None) -> Select[Any]:
    """Ask of the runs approved under the directives `ids`; one row without a run for a campaign without."""
    c, r = campaigns.c, runs.c
    query = query.select_from(campaigns).outerjoin(runs, r.campaign_id == c.id)
    query = query.where(
        c.directive_id.in_(bindparam("ids", expanding=True)), c.state == CampaignState.APPROVED
    )
    return query if carrier is None else query.where(r.carrier == carrier)


_OPEN = [*map(str, traffic_light.UNDER_WAY), str(RunState.PLANNED)]


# Lights of runs that ended long ago, by database and by what tells them from any others. A late receipt or
# statement may still change one: each is looked at once a minute, not at every poll of an open overview.
_KEPT_S = 60.0
_Kept = dict[tuple[Any, ...], tuple[float, tuple[Judged, ...]]]
_kept: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()


def _still_kept(connection: Connection) -> _Kept:
    now = clock.monotonic()
    return {key: each for key, each in _kept.get(connection.engine, {}).items() if now - each[0] < _KEPT_S}


def _keep(connection: Connection, judgements: Mapping[tuple[Any, ...], tuple[Judged, ...]]) -> None:
    if judgements:
        now, kept = clock.monotonic(), _still_kept(connection)
        _kept[connection.engine] = {key: (now, lights) for key, lights in judgements.items()} | kept


def _urgency(deadline: DirectiveDeadline) -> tuple[bool, bool, float]:
    """Sort coming deadlines before passed ones, nearest first."""
    left = 0.0 if deadline.left is None else deadline.left.total_seconds()
    return deadline.left is None, left < 0, abs(left)


def _letter(
    row: Row[Any], judgements: Sequence[Judged], work: _Work, open_runs: Sequence[RunView], now: datetime
) -> DirectiveDeadline:
    deadline = None if row.report_deadline is None else clock.from_ms(row.report_deadline)
    judged = traffic_light.worst(judgements)
    left = None if deadline is None else deadline - now
    if deadline is not None and work.ended_at is not None and clock.from_ms(work.ended_at) > deadline:
        judged = traffic_light.LATE
    if left is not None and left < timedelta(0) and (work.open or not work.campaigns):
        judged = traffic_light.PASSED
    ended = None if work.ended_at is None else clock.from_ms(work.ended_at)
    verdict, because = _verdict(deadline, now, ended, open_runs, row.waiting, work.campaigns, judgements)
    going = len({run.campaign_id for run in open_runs if run.state in traffic_light.UNDER_WAY})
    return DirectiveDeadline(
        row.id, row.number, row.subject, deadline, left, work.campaigns, judged, verdict, because, going
    )


def _verdict(
    deadline: datetime | None,
    now: datetime,
    ended: datetime | None,
    open_runs: Sequence[RunView],
    waiting: int,
    approved: int,
    judgements: Sequence[Judged],
) -> tuple[Judged, Judged | None]:
    """Return whether the deadline is kept, and why that can't be said, or why not.

    judgements: of all runs; where a carrier sends by itself, its figures have to be there in time as well.
    """
    if deadline is None:
        return traffic_light.NO_DEADLINE, None
    if now > deadline and (open_runs or waiting or not approved):
        return traffic_light.PASSED, None
    if ended is not None and ended > deadline:
        return traffic_light.LATE, None
    if any(run.ends and run.ends[0] > deadline for run in open_runs):
        return traffic_light.WILL_BE_LATE, None
    if traffic_light.LATE in judgements:
        return traffic_light.LATE, None
    if why := _open_question(deadline, open_runs, waiting, approved):
        return traffic_light.NOBODY_KNOWS, why
    for missing in (traffic_light.NO_END, traffic_light.NO_FIGURES):
        if missing in judgements:
            return traffic_light.NOBODY_KNOWS, missing
    return traffic_light.EXPECTED if open_runs else traffic_light.IN_TIME, None


def _open_question(
    deadline: datetime, open_runs: Sequence[RunView], waiting: int, approved: int
) -> Judged | None:
    """Return why nobody can say yet whether it will be in time; None where one can."""
    for run in open_runs:
        if run.state is not RunState.PLANNED and (run.ends is None or run.stage != RunState.RUNNING):
            if run.stage == Stage.WAITS_FOR_HOURS and run.ends is not None:
                continue
            said = Judged(run.light, run.said)
            return traffic_light.PAUSED_ITSELF if run.stage == Stage.SUSPENDED else said
    if any(run.state is RunState.PLANNED for run in open_runs):
        return traffic_light.SOME_PLANNED
    if waiting:
        return traffic_light.AWAITS_APPROVAL
    if not approved:
        return traffic_light.NOTHING_APPROVED
    return traffic_light.UNSURE if any(run.ends and run.ends[1] > deadline for run in open_runs) else None

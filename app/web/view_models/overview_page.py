"""The overview: letters with their figures and deadlines, campaigns with runs, and tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, case, exists, func, select

from app.api.event_streams import StateSnapshot
from app.campaigns import forecast, queries
from app.campaigns.forecast import LinkUse
from app.core import clock
from app.core.states import ENDED, CampaignState, LinkState, RunState
from app.database import clock_leaps
from app.database.clock_leaps import Leap
from app.database.models import (
    approvals,
    audiences,
    batches,
    campaigns,
    quarantine,
    run_batches,
    runs,
    unknowns,
)
from app.database.models import links as links_table
from app.database.server_waits import takes_changes
from app.observability import faults
from app.observability import link_status as links
from app.observability.link_status import LinkStatus
from app.privacy.person_requests import PersonRequest, open_ones
from app.reports.counting.scope import ReceiptLevels, read_levels
from app.security.tenant_scope import own_campaigns
from app.sender_names import reminders
from app.sender_names.reminders import Ending
from app.web import stages
from app.web.nav import planned
from app.web.view_models import letter_panel, run_status, traffic_light
from app.web.view_models.deadlines import (
    SHOWN_MS,
    DirectiveDeadline,
    DueDirectives,
    deadlines,
    due_directives,
)
from app.web.view_models.letter_panel import LetterPanel
from app.web.view_models.run_status import Ends, RunView
from app.web.view_models.svg_charts import Span
from app.web.view_models.traffic_light import Judged

_MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class ToStart:
    """An approved run that nobody has started. people: who will get the text; of: the number of such runs."""

    run_id: int
    carrier: str
    campaign: str
    people: int
    of: int


@dataclass(frozen=True, slots=True)
class SuspendedRun:
    """A run that has paused itself, and that a person must look at; of: how many such runs there are."""

    run_id: int
    carrier: str
    campaign: str
    of: int


@dataclass(frozen=True, slots=True)
class Awaiting:
    """A campaign that waits for approval."""

    id: int
    name: str
    submitted_by: str


def awaiting(connection: Connection, carrier: str | None) -> tuple[int, list[Awaiting]]:
    """Return how many campaigns wait for approval, and the oldest of them."""
    rows = connection.execute(_awaiting(carrier)).all()
    return (rows[0][3] if rows else 0), [Awaiting(*row[:3]) for row in rows]


@dataclass(frozen=True, slots=True)
class Returned:
    """A draft that came back from its approver, with the reason; author: who wrote it."""

    id: int
    name: str
    author: str
    submitted_by: str | None
    reason: str


# Each poll of an open page asks these, and to build one costs as much as to ask it: they are built once.


@cache
def _awaiting(carrier: str | None) -> Select[Any]:
    c = campaigns.c
    by, all_of_them = func.coalesce(c.submitted_by, c.created_by), func.count().over()
    query = select(c.id, c.name, by, all_of_them).where(c.state == CampaignState.SUBMITTED)
    query = query if carrier is None else query.where(own_campaigns(carrier))
    return query.order_by(c.id).limit(3)


@cache
def _returned() -> Select[Any]:
    c, a, later = campaigns.c, approvals.c, approvals.alias()
    query = select(c.id, c.name, c.created_by, c.submitted_by, a.reason)
    query = query.join(approvals, a.campaign_id == c.id)
    query = query.where(c.state == CampaignState.DRAFT, a.decision == "returned")
    query = query.where(~exists().where(later.c.campaign_id == c.id, later.c.id > a.id))
    return query.order_by(a.id.desc()).limit(MANY_RETURNED)


def suspended(connection: Connection, carrier: str | None) -> list[SuspendedRun]:
    return [SuspendedRun(*row) for row in connection.execute(_suspended(carrier))]


@cache
def _suspended(carrier: str | None) -> Select[Any]:
    r = runs.c
    query = select(r.id, r.carrier, campaigns.c.name, func.count().over())
    query = query.join(campaigns, campaigns.c.id == r.campaign_id)
    query = query.where(r.state == RunState.PAUSED.value, r.suspended.is_not(None))
    query = query if carrier is None else query.where(r.carrier == carrier)
    return query.order_by(r.id).limit(_MOST_LISTED)


def person_requests(connection: Connection, carrier: str | None) -> list[PersonRequest]:
    """Return the first open requests; an operator answers none."""
    return [] if carrier is not None else list(open_ones(connection, _MOST_LISTED))


def to_start(connection: Connection, carrier: str | None) -> list[ToStart]:
    return [ToStart(*row) for row in connection.execute(_to_start(carrier))]


@cache
def _to_start(carrier: str | None) -> Select[Any]:
    r = runs.c
    accepted = (
        select(func.coalesce(func.sum(batches.c.accepted), 0))
        .join(run_batches, run_batches.c.batch_id == batches.c.id)
        .where(run_batches.c.run_id == r.id)
        .scalar_subquery()
    )
    query = (
        select(
            *(r.id, r.carrier, campaigns.c.name),
            func.coalesce(audiences.c.estimated, accepted),
            func.count().over(),
        )
        .join(campaigns, campaigns.c.id == r.campaign_id)
        .outerjoin(audiences, audiences.c.run_id == r.id)
        .where(planned(carrier))
    )
    return query.order_by(r.id).limit(_MOST_LISTED)


MOST = 10  # campaigns shown
MOST_PANELS = 5  # letters with their figures, those under way first
MANY = 10_000  # counting stops here
MANY_RETURNED = 1_000  # of all authors; the page shows a reader the newest three of its own
_TAG = 16


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign with its runs."""

    id: int
    name: str
    sender: str
    state: CampaignState
    directive_id: int | None
    stage: str
    runs: list[RunView]

    @property
    def over(self) -> bool:
        """Whether nothing of it is to be sent any more."""
        return bool(self.runs) and all(run.state in ENDED for run in self.runs)

    @property
    def judged(self) -> Judged:
        """The worst of its runs."""
        return traffic_light.worst(Judged(run.light, run.said) for run in self.runs)


@dataclass(frozen=True, slots=True)
class HaltedLink:
    """A halted link that a person must resume, with the carrier's words."""

    id: int
    name: str
    carrier: str
    code: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class AwayLink:
    """A link without traffic although not halted; judged: why; since: None if unknown."""

    id: int
    name: str
    carrier: str
    judged: Judged
    since: datetime | None


@dataclass(frozen=True, slots=True)
class RemarkedLink:
    """A link that needs attention although it may send; since: None if unknown."""

    id: int
    name: str
    carrier: str
    remark: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class FaultView:
    """A component that failed lately; subject: the row it failed on, if any."""

    source: str
    subject: str
    reason: str
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Unknown:
    run_id: int
    carrier: str
    campaign: str
    n: int


@dataclass(frozen=True, slots=True)
class OverviewView:
    """The overview for one carrier's operator or anybody else; quarantine: MANY means at least that many.

    more: campaigns under way or waiting beyond those shown.
    """

    panels: list[LetterPanel]  # the one that needs a look first
    letters: list[DirectiveDeadline]
    campaigns: list[CampaignView]
    takes_changes: bool  # whether the database confirms writes
    leap: Leap | None  # of the clock, for which what is irreversible waits
    faults: list[FaultView]
    halted: list[HaltedLink]
    away: list[AwayLink]
    remarked: list[RemarkedLink]
    unknown: list[Unknown]
    quarantine: int
    waiting: int  # campaigns waiting for approval
    awaiting: list[Awaiting]  # the oldest of them
    returned: list[Returned]  # the newest; the page shows each to its author
    to_start: list[ToStart]
    suspended: list[SuspendedRun]
    ending: list[Ending]  # registered sender names that end within 90 days, or have ended
    requests: list[PersonRequest]  # of persons, open; the page shows them to who may answer
    more: int
    any: bool  # whether any campaign exists, drafts included
    links: str  # hash of all links' states

    def returned_to(self, name: str) -> list[Returned]:
        """Return those that this person wrote or submitted."""
        return [each for each in self.returned if name in (each.author, each.submitted_by)]


@dataclass(frozen=True, slots=True)
class LiveRun:
    """The figures of a run that change while the page is open."""

    sent: int
    received: int | None
    failed: int
    no_receipt: int
    unknown: int
    waiting: int
    ratio: float | None
    rate: float | None
    ends: Ends | None
    bar: Mapping[str, Span]
    segments_left: int


@dataclass(frozen=True, slots=True)
class Live:
    """The stream's JSON. shape: hash of the page's structure; a change makes the page reload.

    links: the same for the page of links.
    """

    shape: str
    links: str
    quarantine: int
    unknown: dict[int, int]  # messages of unknown outcome by run
    runs: dict[int, LiveRun]
    panels: dict[int, LetterPanel]  # by letter


_LIVE = TypeAdapter(Live)


def read_overview(connection: Connection, carrier: str | None) -> OverviewView:
    """Load the overview for a carrier's operator, or for anybody else (None)."""
    rows, found_in_all = _chosen(connection, carrier)
    due = due_directives(connection, carrier, _directives(rows))
    views, use, levels = _views(connection, carrier, rows, due)
    every = [_campaign(row, views) for row in rows]
    own_links, known = [row for row in use.links.rows if carrier in (None, row.carrier)], use.links.status
    letters = deadlines(connection, due, views)
    waiting, oldest = awaiting(connection, carrier)
    return OverviewView(
        panels=_panels(connection, letters, every, carrier, levels),
        letters=letters,
        campaigns=sorted(every[:MOST], key=_worst_first),
        takes_changes=takes_changes(connection),
        leap=clock_leaps.leap(connection),
        faults=_faults(connection, carrier, use.links.at),
        halted=[
            HaltedLink(row.id, row.name, row.carrier, row.code, row.reason)
            for row in own_links
            if row.state == LinkState.HALTED and known[row.id].state is not links.LinkHealthState.REMOVED
        ],
        away=_away_links(own_links, known),
        remarked=[
            RemarkedLink(row.id, row.name, row.carrier, remark, _at(known[row.id].remark_since))
            for row in own_links
            if (remark := known[row.id].remark)
        ],
        unknown=[Unknown(*row) for row in connection.execute(_unknown_of(carrier))],
        quarantine=int(connection.scalar(_quarantined_of(carrier)) or 0),
        waiting=waiting,
        awaiting=oldest,
        returned=[] if carrier else [Returned(*row) for row in connection.execute(_returned())],
        to_start=to_start(connection, carrier),
        suspended=suspended(connection, carrier),
        ending=reminders.ending(connection, clock.now(), carrier),
        requests=person_requests(connection, carrier),
        more=found_in_all - len(every[:MOST]),
        any=bool(rows) or connection.execute(select(campaigns.c.id).limit(1)).first() is not None,
        links=links_shape(own_links, known),
    )


def read_letter(
    connection: Connection, directive_id: int, operator: str | None
) -> tuple[DirectiveDeadline, LetterPanel | None]:
    """Return one letter against its deadline, with its figures."""
    due = due_directives(connection, operator, {}, only=directive_id)
    views, _, levels = _views(connection, operator, [], due)
    (letter,) = deadlines(connection, due, views)
    ids = letter_panel.under(connection, directive_id, operator)
    return letter, letter_panel.panel(connection, letter, ids, views, operator, levels)


def _panels(
    connection: Connection,
    letters: Sequence[DirectiveDeadline],
    shown: Sequence[CampaignView],
    operator: str | None,
    levels: ReceiptLevels,
) -> list[LetterPanel]:
    """Return the figures of the letters under which something on the page was approved, the worst first."""
    approved = [each for each in shown if each.state is CampaignState.APPROVED and each.runs]
    of = {letter.id: letter for letter in letters}
    known = [
        of[number] for number in dict.fromkeys(each.directive_id or 0 for each in approved) if number in of
    ]
    found = []
    for letter in sorted(known, key=_urgency)[:MOST_PANELS]:
        views = [run for each in approved if each.directive_id == letter.id for run in each.runs]
        ids = letter_panel.under(connection, letter.id, operator)
        found.append(letter_panel.panel(connection, letter, ids, views, operator, levels))
    if rest := [each for each in approved if each.directive_id not in of]:
        views = [run for each in rest for run in each.runs]
        ids = [each.id for each in rest]
        found.append(letter_panel.panel(connection, None, ids, views, operator, levels))
    return sorted((each for each in found if each), key=lambda item: not item.going)


_LIGHTS = list(traffic_light.Light)


def _urgency(deadline: DirectiveDeadline) -> tuple[bool, int, float]:
    """Sort letters with work under way first, of these the worst, then the nearest deadline."""
    left = float("inf") if deadline.left is None else deadline.left.total_seconds()
    return (
        not deadline.going,
        -max(_LIGHTS.index(each.light) for each in (deadline.verdict, deadline.judged)),
        left,
    )


def _worst_first(campaign: CampaignView) -> tuple[bool, int]:
    """Sort what is under way first, of that the worst; what is sorted alike stays in its order."""
    going = any(run.state in traffic_light.UNDER_WAY for run in campaign.runs)
    worst = max((_LIGHTS.index(run.light) for run in campaign.runs), default=0)
    return not going, -worst if going else 0


def _views(
    connection: Connection, carrier: str | None, rows: Sequence[Row[Any]], due: DueDirectives
) -> tuple[list[RunView], LinkUse, ReceiptLevels]:
    """Load the runs of these campaigns and those of `due.unjudged`, and what all links do and prove.

    All runs are read at once: each read costs more than its rows.
    """
    shown, others = {row.id for row in rows}, due.unjudged
    found = queries.runs_of(connection, _WANTED, {"shown": list(shown), "others": list(others)})
    running = [run for run in found if run.state is RunState.RUNNING]
    own = [
        run
        for run in found
        if run.id in others or (run.campaign_id in shown and carrier in (None, run.carrier))
    ]
    use, elsewhere = forecast.link_use(connection, clock.now(), running, rows), set(others.values())
    if elsewhere:
        rows = [*rows, *connection.execute(select(campaigns).where(campaigns.c.id.in_(elsewhere)))]
    levels = read_levels(connection, {row.carrier for row in use.links.rows}, clock.now_ms())
    return run_status.views(connection, rows, own, use, levels, due.rows), use, levels


_WANTED = (
    select(runs)
    .where(
        runs.c.campaign_id.in_(bindparam("shown", expanding=True))
        | runs.c.id.in_(bindparam("others", expanding=True))
        | (runs.c.state == RunState.RUNNING)
    )
    .order_by(runs.c.id)
)


def links_shape(rows: Iterable[Row[Any]], statuses: Mapping[int, LinkStatus]) -> str:
    """Hash what the page of links shows, except the time of the newest answer."""
    parts = [
        (row.id, row.state, row.reason, link.state, link.refusal, link.remark_since or link.remark)
        for row in rows
        for link in (statuses[row.id],)
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:_TAG]


def _away_links(rows: Iterable[Row[Any]], statuses: Mapping[int, LinkStatus]) -> list[AwayLink]:
    return [
        AwayLink(row.id, row.name, row.carrier, run_status.STANDS[link.state], _at(links.since(link)))
        for row in rows
        for link in (statuses[row.id],)
        if row.state != LinkState.HALTED and links.is_away(link)
    ]


def _at(ms: int | None) -> datetime | None:
    return None if ms is None else clock.from_ms(ms)


def _faults(connection: Connection, carrier: str | None, now: int) -> list[FaultView]:
    """Return faults, for callers of no single carrier: their sources name links of all."""
    found = faults.present(connection, now) if carrier is None else []
    return [FaultView(row.source, row.subject, row.reason, clock.from_ms(row.last_at)) for row in found]


def live(overview: OverviewView) -> Live:
    shown = {run.id: live_run(run) for campaign in overview.campaigns for run in campaign.runs}
    return Live(
        shape(overview),
        overview.links,
        overview.quarantine,
        {each.run_id: each.n for each in overview.unknown},
        shown,
        {each.id: each for each in overview.panels},
    )


def shape(overview: OverviewView) -> str:
    """Hash everything on the page except figures."""
    parts: list[Any] = [(each.id, each.judged, each.verdict, each.because) for each in overview.letters]
    for panel in overview.panels:
        parts += [(panel.id, panel.going, panel.once, panel.stated, panel.ends is None, bool(panel.relayed))]
        parts += [(panel.paused, panel.planned, panel.endless, *(each.stage for each in panel.carriers))]
    for campaign in overview.campaigns:
        parts += [
            (campaign.id, campaign.state),
            *((run.id, run.stage, run.light, run.said) for run in campaign.runs),
        ]
    parts += [
        overview.takes_changes,
        overview.leap is not None,
        *((each.source, each.subject) for each in overview.faults),
    ]
    parts += [each.id for each in overview.halted] + [-each.run_id for each in overview.suspended]
    parts += [(each.id, each.judged.said) for each in overview.away]
    parts += [(each.id, each.since) for each in overview.remarked]  # repeated failures alone change nothing
    parts += [each.run_id for each in overview.unknown] + [each.run_id for each in overview.to_start]
    parts += [(each.id, each.reason) for each in overview.returned]
    parts += [(each.id, each.overdue) for each in overview.requests]
    parts += [(each.entry.id, each.days) for each in overview.ending]
    parts += [overview.waiting, overview.more, bool(overview.quarantine)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:_TAG]


class Watch:
    """Takes snapshots for all open overviews: one per carrier, "" for everybody else."""

    def __call__(self, connection: Connection, carriers: Collection[str]) -> dict[str, StateSnapshot]:
        return {each: self._picture(read_overview(connection, each or None)) for each in carriers}

    def _picture(self, overview: OverviewView) -> StateSnapshot:
        body = _LIVE.dump_json(live(overview))
        return StateSnapshot("open", body, hashlib.sha256(body).hexdigest()[:_TAG], over=False)


def live_run(run: RunView) -> LiveRun:
    f = run.figures
    return LiveRun(
        f.sent,
        run.received,
        f.failed,
        f.no_receipt,
        f.unknown,
        f.waiting,
        run.ratio,
        run.rate,
        run.ends,
        run.bar,
        run.segments_left,
    )


def _chosen(connection: Connection, carrier: str | None) -> tuple[list[Row[Any]], int]:
    """Choose campaigns by state: under way, approved, submitted, ended lately; and count them all.

    All that are under way are among them; drafts and rejected ones concern only their authors.
    """
    rows = connection.execute(_places(carrier), {"lately": clock.now_ms() - SHOWN_MS}).all()
    return list(rows), rows[0].all if rows else 0


@cache
def _places(carrier: str | None) -> Select[Any]:
    """Ask for the campaigns of the page in their order, with how many have a place at all."""
    c, rank = campaigns.c, _rank()
    places = select(c.id, rank.label("rank")).where(
        c.state.in_((CampaignState.APPROVED, CampaignState.SUBMITTED))
    )
    places = places if carrier is None else places.where(own_campaigns(carrier))
    p = places.subquery().c
    order = func.row_number().over(order_by=(p.rank, p.id.desc())).label("place")
    queue = (
        select(p.id, p.rank, order, func.count().over().label("all")).where(p.rank.is_not(None)).subquery()
    )
    query = select(campaigns, queue.c.all).join(queue, queue.c.id == c.id)
    return query.where((queue.c.place <= MOST) | (queue.c.rank == 0)).order_by(queue.c.place)


def _rank() -> ColumnElement[int | None]:
    """Rank a campaign's place on the page; NULL: not shown."""
    own = runs.c.campaign_id == campaigns.c.id
    under_way = exists().where(own, runs.c.state.in_([str(state) for state in traffic_light.UNDER_WAY]))
    planned = exists().where(own, runs.c.state == RunState.PLANNED)
    lately = runs.c.ended_at >= bindparam("lately")
    over = exists().where(own, (runs.c.state == RunState.SENT) | lately)
    return case(
        (campaigns.c.state == CampaignState.SUBMITTED, 2),
        (under_way, 0),
        (planned, 1),
        (over, 3),
        (~exists().where(own) & campaigns.c.answers_to.is_(None), 1),
    )


def _campaign(row: Row[Any], runs: Iterable[RunView]) -> CampaignView:
    own = [run for run in runs if run.campaign_id == row.id]
    state = CampaignState(row.state)
    found_stage = stages.of_runs([run.stage for run in own]) if state is CampaignState.APPROVED else None
    return CampaignView(row.id, row.name, row.sender, state, row.directive_id, found_stage or state, own)


def _directives(rows: Iterable[Row[Any]]) -> dict[int, int]:
    """Return the directive of each approved campaign under one."""
    approved = [row for row in rows if row.state == CampaignState.APPROVED]
    return {row.id: row.directive_id for row in approved if row.directive_id is not None}


@cache
def _unknown_of(carrier: str | None) -> Select[Any]:
    query = (
        select(unknowns.c.run_id, runs.c.carrier, campaigns.c.name, func.count())
        .join(runs, runs.c.id == unknowns.c.run_id)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .where(unknowns.c.written_off_by.is_(None))
        .group_by(unknowns.c.run_id, runs.c.carrier, campaigns.c.name)
        .order_by(unknowns.c.run_id)
    )
    return query if carrier is None else query.where(runs.c.carrier == carrier)


@cache
def _quarantined_of(carrier: str | None) -> Select[Any]:
    query = select(quarantine.c.id)
    if carrier is not None:
        own = select(links_table.c.id).where(links_table.c.carrier == carrier)
        query = query.where(quarantine.c.link_id.in_(own))
    return select(func.count()).select_from(query.limit(MANY).subquery())

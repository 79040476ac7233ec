"""What the overview shows: letters and their deadlines, campaigns with their runs, and what is to be done."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, Select, func, select

from app import clock, faults
from app.auth.owned import own_campaigns, own_directives
from app.campaigns import queries
from app.dispatch import lanes, link_health
from app.dispatch.link_health import LinkState
from app.http.events import Picture
from app.models import campaigns, directives, quarantine, runs, unknowns
from app.models import lanes as lanes_table
from app.states import CampaignState, LaneState
from app.web.scenes import lights, standing
from app.web.scenes.charts import Span
from app.web.scenes.lights import Judged, Light
from app.web.scenes.pulse import Pulse
from app.web.scenes.standing import RunView

MOST = 20  # campaigns and letters on the page: the newest
MANY = 10_000  # nobody reads further than that there are more
_TAG = 16


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign with its runs; judged: the worst of them."""

    id: int
    name: str
    sender: str
    state: CampaignState
    directive_id: int | None
    runs: list[RunView]
    judged: Judged


@dataclass(frozen=True, slots=True)
class LetterView:
    """A directive against its deadline; left: below zero once it is over."""

    id: int
    number: str
    subject: str
    deadline: datetime | None
    left: timedelta | None
    campaigns: int
    judged: Judged


@dataclass(frozen=True, slots=True)
class HaltedLane:
    """A lane that a person must resume, with the carrier's words."""

    id: int
    name: str
    carrier: str
    code: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class AwayLink:
    """A link by which nothing goes though its lane runs; held: it is connected, and no answers come."""

    id: int
    name: str
    carrier: str
    held: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """A part of Loa that has failed lately. subject: the row that it met, where it was one."""

    source: str
    subject: str
    reason: str
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Unknown:
    """Messages of a run whose fate is open."""

    run_id: int
    carrier: str
    campaign: str
    n: int


@dataclass(frozen=True, slots=True)
class Scene:
    """All of it, as one carrier's operator or anybody else sees it; quarantine: MANY stands for more."""

    letters: list[LetterView]
    campaigns: list[CampaignView]
    faults: list[Fault]
    halted: list[HaltedLane]
    away: list[AwayLink]
    unknown: list[Unknown]
    quarantine: int
    waiting: int  # campaigns for whose approval somebody waits


@dataclass(frozen=True, slots=True)
class LiveRun:
    """What of a run changes while the page is open."""

    sent: int
    received: int | None
    failed: int
    no_receipt: int
    unknown: int
    waiting: int
    ratio: float | None
    rate: float | None
    finishes_at: datetime | None
    bar: Mapping[str, Span]


@dataclass(frozen=True, slots=True)
class Live:
    """The stream's JSON. shape: what is on the page at all; when it changes the page is loaded again."""

    shape: str
    quarantine: int
    unknown: dict[int, int]  # run -> messages whose fate is open
    runs: dict[int, LiveRun]


_LIVE = TypeAdapter(Live)


def scene(connection: Connection, carrier: str | None, pulse: Pulse) -> Scene:
    """How everything stands that this operator's carrier, or with None anybody else, may see."""
    rows = _newest(connection, carrier)
    members = select(runs).where(runs.c.campaign_id.in_([row.id for row in rows])).order_by(runs.c.id)
    own = members if carrier is None else members.where(runs.c.carrier == carrier)
    found = standing.views(connection, rows, queries.runs_of(connection, own), pulse)
    shown = [_campaign(row, found) for row in rows]
    return Scene(
        letters=_letters(connection, carrier, shown),
        campaigns=shown,
        faults=_faults(connection, carrier),
        halted=[
            HaltedLane(row.id, row.name, row.carrier, row.code, row.reason)
            for row in lanes.all_lanes(connection, carrier)
            if row.state == LaneState.HALTED
        ],
        away=_away(connection, carrier),
        unknown=_unknown(connection, carrier),
        quarantine=_quarantined(connection, carrier),
        waiting=sum(each.state is CampaignState.SUBMITTED for each in shown),
    )


def _away(connection: Connection, carrier: str | None) -> list[AwayLink]:
    known = link_health.facts(connection)
    return [
        AwayLink(row.id, row.name, row.carrier, known[row.id].state is LinkState.HELD)
        for row in lanes.all_lanes(connection, carrier)
        if row.state != LaneState.HALTED and known[row.id].state in (LinkState.HELD, LinkState.LOST)
    ]


def _faults(connection: Connection, carrier: str | None) -> list[Fault]:
    """For whoever is of no single carrier: parts are named after links of all of them."""
    found = faults.present(connection) if carrier is None else []
    return [Fault(row.source, row.subject, row.reason, clock.from_ms(row.last_at)) for row in found]


def live(of: Scene) -> Live:
    """The part that changes from second to second."""
    shown = {run.id: live_run(run) for campaign in of.campaigns for run in campaign.runs}
    return Live(shape(of), of.quarantine, {each.run_id: each.n for each in of.unknown}, shown)


def shape(of: Scene) -> str:
    """A hash of what is on the page, without its figures."""
    parts: list[Any] = [(each.id, each.judged) for each in of.letters]
    for campaign in of.campaigns:
        parts += [
            (campaign.id, campaign.state),
            *((run.id, run.state, run.light, run.said) for run in campaign.runs),
        ]
    parts += [(each.source, each.subject) for each in of.faults]
    parts += [each.id for each in of.halted]
    parts += [(each.id, each.held) for each in of.away]
    parts += [each.run_id for each in of.unknown]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:_TAG]


class Watch:
    """Looks for all who have the overview open: once for everybody, and once for each carrier's operators."""

    def __init__(self, pulse: Pulse) -> None:
        self.pulse = pulse

    def __call__(self, connection: Connection, carriers: Collection[str]) -> dict[str, Picture]:
        """Carrier, "" for everybody else, -> how it stands."""
        return {each: self._picture(scene(connection, each or None, self.pulse)) for each in carriers}

    def _picture(self, of: Scene) -> Picture:
        body = _LIVE.dump_json(live(of))
        return Picture("open", body, hashlib.sha256(body).hexdigest()[:_TAG], over=False)


def live_run(run: RunView) -> LiveRun:
    """What of the run moves."""
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
        run.finishes_at,
        run.bar,
    )


def _newest(connection: Connection, carrier: str | None) -> list[Row[Any]]:
    query: Select[Any] = select(campaigns).order_by(campaigns.c.id.desc()).limit(MOST)
    query = query if carrier is None else query.where(own_campaigns(carrier))
    return list(connection.execute(query))


def _campaign(row: Row[Any], found: Iterable[RunView]) -> CampaignView:
    own = [run for run in found if run.campaign_id == row.id]
    judged = lights.worst(Judged(run.light, run.said) for run in own)
    state = CampaignState(row.state)
    return CampaignView(row.id, row.name, row.sender, state, row.directive_id, own, judged)


def _letters(connection: Connection, carrier: str | None, shown: Iterable[CampaignView]) -> list[LetterView]:
    """The newest letters; those whose deadline comes next first, those without one last."""
    query = select(directives).order_by(directives.c.id.desc()).limit(MOST)
    query = query if carrier is None else query.where(own_directives(carrier))
    of: dict[int | None, list[CampaignView]] = {}
    for campaign in shown:
        of.setdefault(campaign.directive_id, []).append(campaign)
    found = [_letter(row, of.get(row.id, []), clock.now()) for row in connection.execute(query)]
    return sorted(found, key=_urgency)


def _urgency(of: LetterView) -> tuple[bool, bool, float]:
    """Deadlines to come before those that have passed, the nearest first."""
    left = 0.0 if of.left is None else of.left.total_seconds()
    return of.left is None, left < 0, abs(left)


def _letter(row: Row[Any], of: list[CampaignView], now: datetime) -> LetterView:
    deadline = None if row.report_deadline is None else clock.from_ms(row.report_deadline)
    judged = lights.worst(campaign.judged for campaign in of)
    left = None if deadline is None else deadline - now
    if left is not None and left < timedelta(0) and judged.light is not Light.GOOD:
        judged = lights.PASSED
    return LetterView(row.id, row.number, row.subject, deadline, left, len(of), judged)


def _unknown(connection: Connection, carrier: str | None) -> list[Unknown]:
    """Open ones by run; the table is a work list, short by nature."""
    query = (
        select(unknowns.c.run_id, runs.c.carrier, campaigns.c.name, func.count())
        .join(runs, runs.c.id == unknowns.c.run_id)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .where(unknowns.c.written_off_by.is_(None))
        .group_by(unknowns.c.run_id, runs.c.carrier, campaigns.c.name)
        .order_by(unknowns.c.run_id)
    )
    query = query if carrier is None else query.where(runs.c.carrier == carrier)
    return [Unknown(*row) for row in connection.execute(query)]


def _quarantined(connection: Connection, carrier: str | None) -> int:
    """Receipts that match nothing yet, counted no further than MANY."""
    query = select(quarantine.c.id)
    if carrier is not None:
        own = select(lanes_table.c.id).where(lanes_table.c.carrier == carrier)
        query = query.where(quarantine.c.lane_id.in_(own))
    return int(connection.scalar(select(func.count()).select_from(query.limit(MANY).subquery())) or 0)

"""Campaigns: the list, a campaign's page, live; its withdrawal, budget and follow-ups."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Response
from sqlalchemy import Connection, select

from app.api.bodies import filled
from app.api.dependencies import Id, Routes
from app.campaigns import (
    follow_ups,
    operations,
    optimistic_lock,
    queries,
    text_cost,
)
from app.campaigns.queries import Campaign, Dossier, WantedCampaigns
from app.campaigns.quiet_hours import DayHours
from app.campaigns.schemas import FollowUpBody
from app.campaigns.text_cost import Preview
from app.core import clock
from app.core.errors import Conflict, Invalid, NotFound
from app.core.sending_window import Window
from app.core.states import FAILED, CampaignState, RunState
from app.database.connection import shared_ms
from app.database.listing import ListPart, ListRequest
from app.database.models import campaigns, directives, links, runs, tallies
from app.ledger import erasure
from app.ledger.contract import TallyCount
from app.reports.counting.scope import ReceiptLevels, read_levels
from app.reports.figures import tally
from app.reports.figures.figures import Figures
from app.security.principal import Caller
from app.sender_names.checks import Finding, of_campaign
from app.web import display_names, query_params, stages
from app.web.forms import area_choice, read_fields
from app.web.forms.list_export import ListFile, list_file, stage_name, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.operation_forms import add_forms
from app.web.rendering import (
    Fields,
    FormData,
    FormState,
    PageRequest,
    Visit,
    redirect_with_flash,
    refused,
    render,
)
from app.web.translations import Speaker, say
from app.web.view_models import (
    campaign_stream,
    course_marks,
    follow_up_offer,
    latency_sample,
    norm,
    run_page,
    run_status,
    svg_charts,
)
from app.web.view_models.campaign_stream import Followed
from app.web.view_models.course_marks import Mark
from app.web.view_models.estimate import Hint, hints
from app.web.view_models.latency_sample import Latency, LatencySample
from app.web.view_models.letter_panel import last_end
from app.web.view_models.norm import AreaSources, NormVerdict
from app.web.view_models.run_page import ReasonCount
from app.web.view_models.run_status import Ends, RunView
from app.web.view_models.svg_charts import SvgChart
from app.web.view_models.traffic_light import MISSED, UNDER_WAY, Judged, Light
from carriers import text as sms
from carriers.contract import ReceiptLevel

_STEPS = 40


@dataclass(frozen=True, slots=True)
class CampaignText:
    """One language's text: as sent, its other form, and hints."""

    language: str
    sent: Preview
    other: Preview | None
    hints: list[Hint]


@dataclass(frozen=True, slots=True)
class Waited:
    carrier: str
    latency: Latency


@dataclass(frozen=True, slots=True)
class Curve:
    """Messages sent and received over time, of all carriers; points: the same values as rows of a table.

    data: the same with the forecast, as JSON for the chart that a script draws. marks: what happened, and
    where in the chart's width; closed: the times in which nothing may be sent, as (place, width).
    """

    chart: SvgChart
    begin: datetime
    end: datetime
    top: float
    points: list[tuple[datetime, float, float]]
    whole: bool
    data: str
    forecast: bool
    marks: Sequence[tuple[Mark, float]] = ()
    closed: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, slots=True)
class CampaignPageView:
    """Everything this caller may see of a campaign."""

    dossier: Dossier
    letter: str | None
    words: list[CampaignText]
    runs: list[RunView]
    register: list[Finding] = field(default_factory=list)
    areas: list[AreaView] = field(default_factory=list)
    failed: list[ReasonCount] = field(default_factory=list)
    waits: list[Waited] = field(default_factory=list)
    curve: Curve | None = None
    totals_erased: bool = False

    @property
    def stage(self) -> str:
        """How it stands, by its runs once it is approved."""
        state, found = self.dossier.campaign.state, stages.of_runs([run.stage for run in self.runs])
        return found or state if state is CampaignState.APPROVED else state


def read_campaign(connection: Connection, campaign_id: int, who: Caller) -> CampaignPageView:
    dossier = queries.dossier(connection, campaign_id, who.carrier)
    row = optimistic_lock.campaign(connection, campaign_id)
    levels = read_levels(connection, {run.carrier for run in dossier.runs}, shared_ms(connection))
    columns = (directives.c.id, directives.c.number, directives.c.report_deadline)
    letters = connection.execute(select(*columns).where(directives.c.id == row.directive_id)).all()
    views = run_status.views(connection, [row], dossier.runs, levels=levels, letters=letters)
    words = [_wording(language, text) for language, text in sorted(row.texts.items())]
    planned = {run.carrier for run in dossier.runs if run.state is RunState.PLANNED}
    found = of_campaign(connection, row, planned) if planned else []
    number = letters[0].number if letters else None
    base = CampaignPageView(dossier, number, words, views, found, totals_erased=_gone(dossier))
    if base.totals_erased or not any(run.figures.sent for run in views):
        return base
    ids = [run.id for run in views]
    counts = tally.sums(connection, tallies.c.campaign_id == campaign_id, tallies.c.run_id.in_(ids))
    samples = _samples(connection, campaign_id, views)
    return CampaignPageView(
        dossier=dossier,
        letter=base.letter,
        words=words,
        runs=views,
        register=found,
        areas=by_area(connection, campaign_id, who.carrier, counts, levels),
        failed=run_page.whys((c.reason, c.n) for c in counts if c.state in FAILED),
        waits=_waits(samples),
        curve=_curve(dossier, views, samples),
    )


def _gone(dossier: Dossier) -> bool:
    return any(run.totals_erased for run in dossier.runs)


def _wording(language: str, text: str) -> CampaignText:
    sent, plain = text_cost.preview(text), text_cost.preview(sms.unaccent(text))
    return CampaignText(language, sent, None if plain.wording == sent.wording else plain, hints(text))


# Time


def _samples(connection: Connection, campaign_id: int, views: Iterable[RunView]) -> dict[str, LatencySample]:
    """Sample each carrier's messages; nothing once the rows are erased."""
    if erasure.of_campaign(connection, campaign_id) is not None:
        return {}
    own = [run for run in views if not run.held and run.figures.sent]
    return {run.carrier: latency_sample.sample(connection, run.id) for run in own}


def _waits(samples: Mapping[str, LatencySample]) -> list[Waited]:
    found = ((carrier, latency_sample.latency(each)) for carrier, each in samples.items())
    return [Waited(carrier, latency) for carrier, latency in found if latency is not None]


def _curve(dossier: Dossier, views: Sequence[RunView], samples: Mapping[str, LatencySample]) -> Curve | None:
    """Scale the sampled times to the tallies' totals: what was sent, and what was received of it."""
    samples = {carrier: each for carrier, each in samples.items() if each.times}
    own = [run for run in views if run.carrier in samples and not run.held]
    begins = [sent for each in samples.values() for sent, _ in each.times]
    moves = any(run.state in UNDER_WAY for run in own)
    ends = [*begins, *(at for each in samples.values() for at in _ends(each))]
    if not begins or max(ends) <= min(begins):
        return None
    first, last = min(begins), clock.now_ms() if moves else max(ends)
    steps = [first + (last - first) * n // _STEPS for n in range(_STEPS + 1)]
    sent, received = [0.0] * len(steps), [0.0] * len(steps)
    for run in own:
        times = samples[run.carrier].times
        went = latency_sample.curve([at for at, _ in times], steps, run.figures.sent)
        came = run.figures.delivered + run.figures.relayed
        got = latency_sample.curve(_ends(samples[run.carrier]), steps, came)
        sent = [a + b for a, b in zip(sent, went, strict=True)]
        received = [a + b for a, b in zip(received, got, strict=True)]
    chart = svg_charts.course({"sent": sent, "received": received})
    points = [(clock.from_ms(at), sent[n], received[n]) for n, at in enumerate(steps) if n % 4 == 0]
    begin, end = clock.from_ms(first), clock.from_ms(last)
    runs_shown = [run for run in dossier.runs if run.carrier in samples and run.audience is None]
    marks = course_marks.of_runs(runs_shown, {run.id: run for run in views})
    marks = [mark for mark in marks if begin <= mark.at <= end or mark.said == course_marks.STARTED]
    closed = course_marks.closed_hours(_window(dossier.campaign), begin, end)

    def place(at: datetime) -> float:
        return round(chart.width * max(0.0, (at - begin) / (end - begin)), 1)

    data = {
        "marks": [max(course_marks.seconds(mark.at), first / 1000) for mark in marks],
        "closed": [[course_marks.seconds(at) for at in span] for span in closed],
        "t": [at / 1000 for at in steps],
        "sent": [round(each) for each in sent],
        "received": [round(each) for each in received],
        "whole": sum(run.figures.eligible - run.figures.excluded for run in own),
        "ends": _span(last_end([run for run in own if run.state in UNDER_WAY])) if moves else None,
        "runs": [run.id for run in own],
    }
    whole = all(each.whole for each in samples.values())
    return Curve(
        chart,
        begin,
        end,
        chart.ticks[-1][1],
        points,
        whole,
        json.dumps(data),
        bool(data["ends"]),
        [(mark, place(mark.at)) for mark in marks],
        [(place(start), place(stop) - place(start)) for start, stop in closed],
    )


def _window(campaign: Campaign) -> Window:
    return Window(campaign.window_start, campaign.window_end, campaign.day_starts, campaign.day_ends)


def _span(ends: Ends | None) -> list[float] | None:
    return None if ends is None else [clock.to_ms(at) / 1000 for at in ends]


def _ends(sample: LatencySample) -> list[int]:
    return [done for _, done in sample.times if done is not None]


OPEN = Judged(Light.OFF, say("waiting for receipts"))
ABOVE = Judged(Light.GOOD, say("at or above the 92% target"))
NO_PROOF = Judged(Light.WAIT, say("no handset receipts"))
_JUDGED = {
    NormVerdict.MET: ABOVE,
    NormVerdict.MISSED: MISSED,
    NormVerdict.UNPROVED: NO_PROOF,
    NormVerdict.OPEN: OPEN,
}


@dataclass(frozen=True, slots=True)
class AreaView:
    """One area; figures: measured; stated: (sent, received) by carriers, never added to it.

    ratio: over messages of links with handset receipts; part: their number, where others were sent as well.
    """

    code: str | None
    name: str
    figures: Figures | None
    stated: tuple[int, int | None] | None
    ratio: float | None
    judged: Judged
    part: int | None = None


def by_area(
    connection: Connection,
    campaign_id: int,
    carrier: str | None,
    counts: Sequence[TallyCount] | None = None,
    levels: ReceiptLevels | None = None,
) -> list[AreaView]:
    """Return the areas, the smallest share first; those without one last.

    counts, levels: of the runs that this carrier may see, for a caller that has read them.
    """
    found = [_area(each) for each in norm.areas_of(connection, campaign_id, carrier, counts, levels)]
    return sorted(found, key=lambda item: (item.ratio is None, item.ratio or 0.0))


def _area(sources: AreaSources) -> AreaView:
    said = [each for each in (sources.stated, sources.manual) if each is not None]
    stated = (said[0].sent, said[0].received) if said else None
    measured = sources.measured
    if measured is None:
        ratio = said[0].received_ratio if said else None
        return AreaView(sources.code, sources.name, None, stated, ratio, OPEN)
    proved = sources.handset
    if proved is None or not proved.sent:  # without handset receipts there is no received share
        return AreaView(sources.code, sources.name, measured, stated, None, _JUDGED[_unproved(measured)])
    waiting = proved.no_receipt + proved.unknown + proved.relayed
    judged = _JUDGED[norm.judge(ReceiptLevel.HANDSET, proved.sent, proved.delivered, waiting)]
    part = None if proved.sent == measured.sent else proved.sent
    return AreaView(
        sources.code, sources.name, measured, stated, proved.delivered / proved.sent, judged, part
    )


def _unproved(measured: Figures) -> norm.NormVerdict:
    return norm.judge(ReceiptLevel.OPERATOR, measured.sent, measured.relayed, 0)


router = Routes(include_in_schema=False)
ON_A_PAGE = 30


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A row of the list. runs: (run, carrier, stage) of those the caller may see."""

    campaign: Campaign
    stage: str
    letter: str | None
    runs: Sequence[tuple[int, str, str]]


@dataclass(frozen=True, slots=True)
class CampaignList:
    """One page of the list; carriers, letters: filter options."""

    part: ListPart[CampaignRow]
    carriers: dict[str, str]
    letters: dict[int, str]


# What is live stands before what is over, and that before drafts.
COLUMNS = replace(queries.COLUMNS, orders=dict(queries.COLUMNS.orders) | {"live": stages.liveness()})


def in_stage(connection: Connection, criteria: WantedCampaigns, stage: str) -> WantedCampaigns:
    """Return the filter with one more condition; "" for none."""
    if not stage:
        return criteria
    return replace(criteria, also=stages.columns(connection, criteria.operator).campaign() == stage)


def listing(
    connection: Connection, criteria: WantedCampaigns, request: ListRequest, stage: str, operator: str | None
) -> CampaignList:
    criteria = in_stage(connection, criteria, stage)
    query = select(directives.c.id, directives.c.number).order_by(directives.c.id.desc()).limit(100)
    letters = {row.id: row.number for row in connection.execute(query)}
    found = _part(connection, request, ON_A_PAGE, criteria)
    offered = _carriers(connection) if operator is None else {}
    return CampaignList(found, offered, letters if operator is None else {})


def _part(
    connection: Connection, request: ListRequest, limit: int, criteria: WantedCampaigns
) -> ListPart[CampaignRow]:
    found = queries.campaigns_listed(connection, request, limit, criteria, COLUMNS)
    ids = [each.id for each in found.items]
    members, stage_of = (
        _runs(connection, ids, criteria.operator),
        stages.of_campaigns(connection, ids, criteria.operator),
    )
    letters = _numbers(connection, {each.directive_id for each in found.items})
    return found.of(
        lambda item: CampaignRow(
            item, stage_of[item.id], letters.get(item.directive_id or 0), members.get(item.id, [])
        )
    )


def _runs(
    connection: Connection, ids: Sequence[int], operator: str | None
) -> dict[int, list[tuple[int, str, str]]]:
    c = runs.c
    stage = stages.columns(connection, operator).run()
    query = select(c.campaign_id, c.id, c.carrier, stage).join(campaigns, campaigns.c.id == c.campaign_id)
    query = query.where(c.campaign_id.in_(ids)).order_by(c.id)
    query = query if operator is None else query.where(c.carrier == operator)
    found: dict[int, list[tuple[int, str, str]]] = {}
    for campaign_id, *run in connection.execute(query):
        found.setdefault(campaign_id, []).append((run[0], run[1], run[2]))
    return found


def _numbers(connection: Connection, ids: Collection[int | None]) -> dict[int, str]:
    query = select(directives.c.id, directives.c.number).where(directives.c.id.in_(ids))
    return {row.id: row.number for row in connection.execute(query)}


def _carriers(connection: Connection) -> dict[str, str]:
    query = select(links.c.carrier).union(select(runs.c.carrier))
    return {name: display_names.network(name) for name in sorted(connection.execute(query).scalars())}


def _shares(row: CampaignRow, speaker: Speaker) -> str:
    said = display_names.STATES
    return "; ".join(
        f"{display_names.network(of)}: {speaker.say(said[state]).unescape()}" for _, of, state in row.runs
    )


FILE = ListFile(
    "campaigns",
    {
        say("No."): "campaign.id",
        say("Campaign"): "campaign.name",
        say("State"): stage_name,
        say("Directive"): "letter",
        say("Sender ID"): "campaign.sender",
        say("Runs"): _shares,
        say("Created"): "campaign.created_at",
        say("Created by"): "campaign.created_by",
    },
)


@router.get("/campaigns")
async def page_campaigns(
    visit: Visit,
    query: Annotated[ListQuery, Depends()],
    state: str = "",
    carrier: str = "",
    directive: str = "",
) -> Response:
    """Show the list; invalid filters are ignored."""
    who = visit.who
    asked = {"state": state if state in stages.FILTERS else "", "carrier": carrier[:40]}
    letter = query_params.number(directive)
    asked["directive"] = str(letter) if letter else ""
    wanted = WantedCampaigns(
        carrier=asked["carrier"] or None,
        operator=who.carrier,
        directive_id=letter or None,
    )
    request = query.request(queries.COLUMNS.orders)
    request = request if request.order else replace(request, order="-live")
    if wants_file(query):
        wanted = await visit.db.aread(in_stage, wanted, asked["state"])
        return list_file(visit, FILE, request, partial(_part, criteria=wanted))
    found = await visit.db.aread(listing, wanted, request, asked["state"], who.carrier)
    shown = list_view(visit, query, found.part, asked)
    return render(visit, "campaigns.html", found=found, list=shown, states=stages.FILTERS)


LastId = Annotated[str, Header(alias="Last-Event-ID", max_length=64)]


@router.get("/campaigns/{campaign_id}")
async def page_campaign(campaign_id: Id, visit: Visit) -> Response:
    """Show the campaign."""
    return await _page(visit, campaign_id, FormState())


async def _page(visit: PageRequest, campaign_id: int, entered: FormState) -> Response:
    page = await visit.db.aread(read_campaign, campaign_id, visit.who)
    shape = campaign_stream.shape(page.dossier.campaign.state, page.runs)
    follow_up = page.dossier.follow_up
    values: dict[str, Any] = {"followable": any(map(_has_sent, page.runs))}
    values |= {"chosen": follow_up_offer.chosen_outcomes(follow_up) if follow_up else []}
    return render(visit, "campaign.html", entered.status, page=page, shape=shape, entered=entered, **values)


def _has_sent(run: RunView) -> bool:
    return not run.held and run.state != RunState.PLANNED


@router.get("/campaigns/{campaign_id}/events")
async def page_campaign_events(campaign_id: Id, visit: Visit, last_id: LastId = "") -> Response:
    """Stream the runs' figures on change, until all runs are over."""
    of = Followed(campaign_id, None, visit.who.carrier)
    return await campaign_stream.stream(visit.request, of, last_id)


add_forms(router, operations, only={"withdraw_campaign": None, "ask_budget": _page, "approve_budget": _page})


@router.get("/campaigns/{campaign_id}/follow-up")
async def page_follow_up(
    campaign_id: Id, visit: Visit, carrier: Annotated[str, Query()] = "", cause: Annotated[str, Query()] = ""
) -> Response:
    """Show the form, with the usual causes chosen, or the one of the link."""
    fields = FormData({"carriers": [carrier] if carrier else [], "causes": [cause] if cause else []})
    return await _form(visit, campaign_id, FormState(), fields)


@router.post("/campaigns/{campaign_id}/follow-up")
async def page_do_follow_up(campaign_id: Id, visit: Visit, fields: Fields) -> Response:
    """Make the draft; its audience is made then by a worker."""
    try:
        wanted = filled(FollowUpBody, _follow_up_body(fields, campaign_id)).request()
        hours = DayHours(visit.settings.day_starts, visit.settings.day_ends)
        made = await visit.db.awrite(follow_ups.create_waking, visit.db, wanted, hours, visit.who.name)
    except (Conflict, Invalid, NotFound) as error:
        return await _form(visit, campaign_id, refused(error, fields), fields)
    return redirect_with_flash(
        visit, f"/campaigns/{made}", say("The follow-up is a draft. Its audience is being created.")
    )


def _follow_up_body(fields: FormData, campaign_id: int) -> dict[str, Any]:
    causes = fields.all("causes")
    if not causes:
        raise Invalid("Select at least one group of messages.", field="causes")
    others = fields.get("campaign_ids").replace(",", " ").split()
    body: dict[str, Any] = {name: fields.get(name) or None for name in ("name", "text", "second_copies")}
    body |= {name: read_fields.moment(fields, name) for name in ("window_start", "window_end")}
    body |= {"campaign_ids": [campaign_id, *others], "causes": causes, "carriers": fields.all("carriers")}
    return body | {"areas": area_choice.chosen_or_named(fields)}


async def _form(visit: PageRequest, campaign_id: int, entered: FormState, fields: FormData) -> Response:
    source = await visit.db.aread(optimistic_lock.campaign, campaign_id)
    offer = await visit.db.aread(
        follow_up_offer.offer, campaign_id, fields.all("carriers"), fields.all("causes")
    )
    values: dict[str, Any] = {"source": source, "offer": offer}
    values |= {"groups": area_choice.offered(), "picked": set(fields.all("area"))}
    return render(visit, "follow_up.html", entered.status, entered=entered, **values)

"""Campaigns: the list by state, carrier and directive; a campaign's page, live; its withdrawal and budget."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Header, Response
from sqlalchemy import Connection, select

from app.api.bodies import filled
from app.api.dependencies import Id, Routes
from app.campaigns import budget_orders, lifecycle, queries
from app.campaigns.queries import Campaign, WantedCampaigns
from app.campaigns.schemas import BudgetBody
from app.core.errors import AppError
from app.core.states import CampaignState, RunState
from app.database.listing import ListPart, ListRequest
from app.database.models import directives, links, runs
from app.security import tenant_scope
from app.web import display_names, query_params
from app.web.forms import read_fields
from app.web.forms.list_export import ListFile, list_file, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.forms.purposes import OUTCOMES
from app.web.rendering import Fields, FormState, PageRequest, Visit, redirect_with_flash, refused, render
from app.web.translations import Speaker, say
from app.web.view_models import campaign_stream
from app.web.view_models.campaign_page import read_campaign
from app.web.view_models.campaign_stream import Followed
from app.web.view_models.run_status import RunView

router = Routes(include_in_schema=False)
ON_A_PAGE = 30


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A row of the list. runs: (run, carrier, state) of those the caller may see."""

    id: int
    name: str
    sender: str
    state: CampaignState
    letter: str | None
    created_at: datetime
    created_by: str
    runs: Sequence[tuple[int, str, str]]


@dataclass(frozen=True, slots=True)
class CampaignList:
    """One page of the list; carriers, letters: filter options."""

    part: ListPart[CampaignRow]
    carriers: dict[str, str]
    letters: dict[int, str]


def listing(
    connection: Connection, wanted: WantedCampaigns, asked: ListRequest, operator: str | None
) -> CampaignList:
    letters = _letters(connection)
    found = _part(connection, asked, ON_A_PAGE, wanted)
    offered = _carriers(connection) if operator is None else {}
    return CampaignList(found, offered, letters if operator is None else {})


def _part(
    connection: Connection, asked: ListRequest, limit: int, wanted: WantedCampaigns
) -> ListPart[CampaignRow]:
    found = queries.campaigns_listed(connection, asked, limit, wanted)
    members = _runs(connection, [each.id for each in found.items], wanted.operator)
    letters = _numbers(connection, {each.directive_id for each in found.items})

    def shown(each: Campaign) -> CampaignRow:
        return CampaignRow(
            each.id,
            each.name,
            each.sender,
            each.state,
            letters.get(each.directive_id or 0),
            each.created_at,
            each.created_by,
            members.get(each.id, []),
        )

    return found.of(shown)


def _runs(
    connection: Connection, ids: Sequence[int], operator: str | None
) -> dict[int, list[tuple[int, str, str]]]:
    c = runs.c
    query = select(c.campaign_id, c.id, c.carrier, c.state).where(c.campaign_id.in_(ids)).order_by(c.id)
    query = query if operator is None else query.where(c.carrier == operator)
    found: dict[int, list[tuple[int, str, str]]] = {}
    for campaign_id, *run in connection.execute(query):
        found.setdefault(campaign_id, []).append((run[0], run[1], run[2]))
    return found


def _letters(connection: Connection) -> dict[int, str]:
    query = select(directives.c.id, directives.c.number).order_by(directives.c.id.desc()).limit(100)
    return {row.id: row.number for row in connection.execute(query)}


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
        say("No."): "id",
        say("Campaign"): "name",
        say("State"): "state",
        say("Directive"): "letter",
        say("Sender ID"): "sender",
        say("Runs"): _shares,
        say("Made"): "created_at",
        say("Made by"): "created_by",
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
    asked = {"state": state if state in list(CampaignState) else "", "carrier": carrier[:40]}
    letter = query_params.number(directive)
    asked["directive"] = str(letter) if letter else ""
    wanted = WantedCampaigns(
        state=CampaignState(asked["state"]) if asked["state"] else None,
        carrier=asked["carrier"] or None,
        operator=who.carrier,
        directive_id=letter or None,
    )
    request = query.request(queries.COLUMNS.orders)
    if wants_file(query):
        return list_file(visit, FILE, request, partial(_part, wanted=wanted))
    found = await visit.db.aread(listing, wanted, request, who.carrier)
    shown = list_view(visit, query, found.part, asked)
    return render(visit, "campaigns.html", found=found, list=shown, states=list(CampaignState))


_OVER = (RunState.FINISHED, RunState.CANCELLED)
LastId = Annotated[str, Header(alias="Last-Event-ID", max_length=64)]


@router.get("/campaigns/{campaign_id}")
async def page_campaign(campaign_id: Id, visit: Visit) -> Response:
    """Show the campaign."""
    return await _page(visit, campaign_id, FormState())


async def _page(visit: PageRequest, campaign_id: int, entered: FormState) -> Response:
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)
    page = await visit.db.aread(read_campaign, campaign_id, visit.who)
    shape = campaign_stream.shape(page.dossier.campaign.state, page.runs)
    drawn = page.curve.points[0][1] if page.curve else ()
    carriers = {carrier: display_names.network(carrier) for carrier in drawn}
    values: dict[str, Any] = {"carriers": carriers}
    values |= {"outcomes": OUTCOMES}
    values |= {"followable": any(map(_is_over, page.runs))}
    return render(visit, "campaign.html", entered.status, page=page, shape=shape, entered=entered, **values)


def _is_over(run: RunView) -> bool:
    return not run.held and run.state in _OVER


@router.get("/campaigns/{campaign_id}/events")
async def page_campaign_events(campaign_id: Id, visit: Visit, last_id: LastId = "") -> Response:
    """Stream the runs' figures on change, until all runs are over."""
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)
    of = Followed(campaign_id, None, visit.who.carrier)
    return await campaign_stream.stream(visit.request, of, last_id)


@router.post("/campaigns/{campaign_id}/withdraw")
async def page_do_withdraw_campaign(campaign_id: Id, visit: Visit) -> Response:
    """Give the campaign up before anything of it was sent."""
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)
    await visit.db.awrite(lifecycle.withdraw, campaign_id, visit.who.name)
    return redirect_with_flash(visit, "/campaigns", say("The campaign is withdrawn. An edit reopens it."))


@router.post("/campaigns/{campaign_id}/budget")
async def page_do_ask_budget(campaign_id: Id, visit: Visit, fields: Fields) -> Response:
    """Ask for another budget."""
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)
    try:
        said = {"budget_segments": read_fields.number(fields, "budget_segments")}
        body = filled(BudgetBody, said | {"because": fields.get("because")})
        asked = body.budget_segments, body.because
        await visit.db.awrite(budget_orders.ask, campaign_id, *asked, visit.who.name)
    except AppError as error:
        return await _page(visit, campaign_id, refused(error, fields))
    place = f"/campaigns/{campaign_id}#budget"
    return redirect_with_flash(visit, place, say("It is asked for; another person approves it."))


@router.post("/campaigns/{campaign_id}/budget/{order_id}/approve")
async def page_do_approve_budget(campaign_id: Id, order_id: Id, visit: Visit, fields: Fields) -> Response:
    """Approve the budget that somebody else has asked for."""
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)
    try:
        await visit.db.awrite(budget_orders.approve_waking, visit.db, campaign_id, order_id, visit.who)
    except AppError as error:
        return await _page(visit, campaign_id, refused(error, fields))
    place = f"/campaigns/{campaign_id}#budget"
    return redirect_with_flash(visit, place, say("The budget is approved."))

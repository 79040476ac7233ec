"""The list of campaigns, newest first, by state, carrier and directive."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import Depends, Response
from sqlalchemy import Connection, select

from app.api.dependencies import Routes
from app.campaigns import queries
from app.campaigns.queries import Campaign, WantedCampaigns
from app.core.states import CampaignState
from app.database.listing import ListPart, ListRequest
from app.database.models import directives, links, runs
from app.web import display_names, query_params
from app.web.forms.list_export import ListFile, list_file, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.rendering import Visit, render
from app.web.translations import Speaker, say

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

"""Tet plans: the list with the form of a new one, and one plan with its rounds."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Response

from app.api.bodies import filled
from app.api.dependencies import Id, Routes
from app.campaigns import plans
from app.campaigns.plans import Phase
from app.campaigns.quiet_hours import DayHours
from app.campaigns.schemas import PlanBody, RoundCampaignBody, RoundFollowUpBody
from app.core.errors import Conflict, Invalid, NotFound
from app.directives import plan_status
from app.ledger.unreached import USUAL
from app.security.roles import may
from app.web.forms import area_choice, drafting, read_fields
from app.web.forms.list_export import ListFile, list_file, wants_file
from app.web.forms.list_query import UNASKED, ListQuery, list_view
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
from app.web.translations import Said, say
from app.web.view_models.follow_up_view import OUTCOMES

router = Routes(include_in_schema=False)

PHASES: dict[str, Said] = {
    Phase.BEFORE: say("before Tet"),
    Phase.DURING: say("during Tet"),
    Phase.AFTER: say("after Tet"),
}
_ON_A_PAGE = 30
FILE = ListFile(
    "plans",
    {
        say("No."): "id",
        say("Plan"): "name",
        say("Directive"): "directive",
        say("Rounds"): "rounds",
        say("Rounds with a campaign"): "campaigns",
    },
)


@router.get("/plans")
async def page_plans(visit: Visit, query: Annotated[ListQuery, Depends()]) -> Response:
    """List the plans, with the form of a new one."""
    if wants_file(query):
        return list_file(visit, FILE, query.request(plan_status.ORDERS), plan_status.listed)
    return await _list(visit, FormState(), query)


@router.post("/plans")
async def page_do_create_plan(visit: Visit, fields: Fields) -> Response:
    try:
        wanted = filled(PlanBody, _said(fields)).fields()
        made = await visit.db.awrite(plans.create, wanted, visit.who.name)
    except (Conflict, Invalid) as error:
        return await _list(visit, refused(error, fields))
    return redirect_with_flash(
        visit, f"/plans/{made}", say("The plan is kept; its rounds get their campaigns now.")
    )


@router.get("/plans/{plan_id}")
async def page_plan(plan_id: Id, visit: Visit) -> Response:
    """Show a plan: windows, states, sizes and whom its rounds reached."""
    return await _one(visit, plan_id, FormState())


@router.post("/plans/{plan_id}/rounds/{nth}")
async def page_do_set_round(plan_id: Id, nth: Id, visit: Visit, fields: Fields) -> Response:
    """Make a campaign this round, or with an empty field take the round's campaign out."""
    try:
        said = {"campaign_id": read_fields.number(fields, "campaign_id")}
        body = filled(RoundCampaignBody, said)
        await visit.db.awrite(plans.set_round, plan_id, nth, body.campaign_id, visit.who.name)
    except (Conflict, Invalid, NotFound) as error:
        return await _one(visit, plan_id, refused(error, fields))
    return redirect_with_flash(visit, f"/plans/{plan_id}", say("The round is changed."))


@router.post("/plans/{plan_id}/rounds/{nth}/follow-up")
async def page_do_follow_up_round(plan_id: Id, nth: Id, visit: Visit, fields: Fields) -> Response:
    """Make the round a draft to those whom the rounds before it did not reach."""
    try:
        said = {"outcomes": fields.all("outcomes"), "text": fields.get("text") or None}
        said["areas"] = fields.all("area")
        wanted, hours = filled(RoundFollowUpBody, said).request(), visit.settings
        default = DayHours(hours.day_starts, hours.day_ends)
        of, by = (plan_id, nth), (default, visit.who.name)
        made = await visit.db.awrite(plans.follow_up, visit.db, of, wanted, by)
    except (Conflict, Invalid) as error:
        return await _one(visit, plan_id, refused(error, fields))
    flash = say("The follow-up is a draft; its audience is being made.")
    return redirect_with_flash(visit, f"/campaigns/{made}", flash)


def _said(fields: FormData) -> dict[str, Any]:
    """Read one round for each phase that has a time; more of one phase are made by API or command."""
    rounds = []
    for phase in Phase:
        times = {name: read_fields.moment(fields, f"{phase}_{name}") for name in ("start", "end")}
        if any(times.values()):
            rounds.append({"phase": phase, "window_start": times["start"], "window_end": times["end"]})
    letter = read_fields.number(fields, "directive_id")
    return {"name": fields.get("name"), "directive_id": letter, "rounds": rounds}


async def _list(visit: PageRequest, entered: FormState, query: ListQuery = UNASKED) -> Response:
    found = await visit.db.aread(plan_status.listed, query.request(plan_status.ORDERS), _ON_A_PAGE)
    letters = await visit.db.aread(drafting.letters)
    values = {"list": list_view(visit, query, found), "letters": letters, "phases": PHASES}
    writes = may(visit.who.role, "create_plan")
    return render(visit, "plans.html", entered.status, entered=entered, writes=writes, **values)


async def _one(visit: PageRequest, plan_id: int, entered: FormState) -> Response:
    found = await visit.db.aread(plan_status.plan, plan_id)
    values = {"plan": found, "phases": PHASES, "outcomes": OUTCOMES, "usual": {str(each) for each in USUAL}}
    values["districts"] = area_choice.districts()
    writes = may(visit.who.role, "set_round")
    return render(visit, "plan.html", entered.status, entered=entered, writes=writes, **values)

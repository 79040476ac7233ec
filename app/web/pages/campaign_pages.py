"""A campaign's page and its event stream."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Response

from app.api.bodies import filled
from app.api.dependencies import Id, Routes
from app.campaigns import budget_orders, lifecycle
from app.campaigns.schemas import BudgetBody
from app.core.errors import AppError
from app.core.states import RunState
from app.security import tenant_scope
from app.web import display_names
from app.web.forms import read_fields
from app.web.forms.purposes import OUTCOMES
from app.web.rendering import Fields, FormState, PageRequest, Visit, redirect_with_flash, refused, render
from app.web.translations import say
from app.web.view_models import campaign_stream
from app.web.view_models.campaign_page import read_campaign
from app.web.view_models.campaign_stream import Followed
from app.web.view_models.run_status import RunView

router = Routes(include_in_schema=False)
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
        said = {name: read_fields.number(fields, name) for name in ("budget_segments", "budget_dong")}
        body = filled(BudgetBody, said | {"because": fields.get("because")})
        await visit.db.awrite(budget_orders.ask, campaign_id, body.limits(), body.because, visit.who.name)
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

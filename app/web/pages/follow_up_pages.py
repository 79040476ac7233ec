"""The form of a follow-up: whom of a finished campaign to write to again, and with which text."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from app.api.bodies import filled
from app.api.dependencies import Id, Routes
from app.campaigns import follow_ups, optimistic_lock
from app.campaigns.quiet_hours import DayHours
from app.campaigns.schemas import FollowUpBody
from app.core.errors import Conflict, Invalid, NotFound
from app.ledger.unreached import USUAL
from app.security import tenant_scope
from app.web.forms import area_choice, read_fields
from app.web.forms.purposes import OUTCOMES
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
from app.web.translations import say

router = Routes(include_in_schema=False)


@router.get("/campaigns/{campaign_id}/follow-up")
async def page_follow_up(campaign_id: Id, visit: Visit) -> Response:
    """Show the form, with the usual outcomes chosen."""
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)
    return await _form(visit, campaign_id, FormState(), FormData({"outcomes": [str(each) for each in USUAL]}))


@router.post("/campaigns/{campaign_id}/follow-up")
async def page_do_follow_up(campaign_id: Id, visit: Visit, fields: Fields) -> Response:
    """Make the draft; its audience is made then by a worker."""
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)
    try:
        wanted = filled(FollowUpBody, _said(fields, campaign_id)).request()
        hours = DayHours(visit.settings.day_starts, visit.settings.day_ends)
        made = await visit.db.awrite(follow_ups.create_waking, visit.db, wanted, hours, visit.who.name)
    except (Conflict, Invalid, NotFound) as error:
        return await _form(visit, campaign_id, refused(error, fields), fields)
    return redirect_with_flash(
        visit, f"/campaigns/{made}", say("The follow-up is a draft; its audience is being made.")
    )


def _said(fields: FormData, campaign_id: int) -> dict[str, Any]:
    others = fields.get("campaign_ids").replace(",", " ").split()
    said: dict[str, Any] = {name: fields.get(name) or None for name in ("name", "text")}
    said |= {name: read_fields.moment(fields, name) for name in ("window_start", "window_end")}
    said |= {"campaign_ids": [campaign_id, *others], "outcomes": fields.all("outcomes")}
    return said | {"areas": area_choice.chosen_or_named(fields)}


async def _form(visit: PageRequest, campaign_id: int, entered: FormState, fields: FormData) -> Response:
    source = await visit.db.aread(optimistic_lock.campaign, campaign_id)
    values = {"source": source, "outcomes": OUTCOMES, "ticked": set(fields.all("outcomes"))}
    values |= {"groups": area_choice.offered(), "picked": set(fields.all("area"))}
    return render(visit, "follow_up.html", entered.status, entered=entered, **values)

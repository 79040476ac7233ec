"""Approvals: read what was submitted in full, then approve, return or reject it."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Response
from sqlalchemy import Connection

from app.api.bodies import filled
from app.api.dependencies import Id, Routes
from app.campaigns import approval
from app.campaigns.schemas import ApprovalBody, ReasonBody
from app.core.errors import Conflict, Forbidden, Invalid
from app.security import tenant_scope
from app.web import query_params
from app.web.forms import purposes
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
from app.web.translations import Said, say
from app.web.view_models import approval_queue
from app.web.view_models.approval_queue import CampaignToApprove, Case

router = Routes(include_in_schema=False)


@router.get("/approvals")
async def page_approvals(visit: Visit, campaign: str = "", areas: str = "") -> Response:
    """Show what waits, and one campaign in full; areas: count its subscribers by area."""
    return await _page(visit, query_params.number(campaign), FormState(), counts=bool(areas))


@router.post("/campaigns/{campaign_id}/approve")
async def page_do_approve_campaign(campaign_id: Id, visit: Visit, fields: Fields) -> Response:
    """Approve exactly what the page showed, by its digest."""
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)

    def work(connection: Connection) -> None:
        said = {name: fields.get(name) or None for name in ("digest", "reason")}
        if said["digest"] is None:
            raise Invalid(
                "The form has no digest of what you have read; load the page again.", field="digest"
            )
        body = filled(ApprovalBody, said | {"acknowledged": fields.get("acknowledged") == "yes"})
        if approval.is_repeated(connection, campaign_id, visit.who.name, body.digest):
            return  # a second click
        approval.approve(
            connection, campaign_id, visit.who, body.digest, body.reason, acknowledged=body.acknowledged
        )

    return await _decide(
        visit, campaign_id, fields, work, say("The campaign is approved; its runs may begin.")
    )


@router.post("/campaigns/{campaign_id}/return")
async def page_do_return_campaign(campaign_id: Id, visit: Visit, fields: Fields) -> Response:
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)

    def work(connection: Connection) -> None:
        reason = filled(ReasonBody, {"reason": fields.get("reason")}).reason
        approval.send_back(connection, campaign_id, visit.who, reason)

    return await _decide(visit, campaign_id, fields, work, say("The campaign is returned to its author."))


@router.post("/campaigns/{campaign_id}/reject")
async def page_do_reject_campaign(campaign_id: Id, visit: Visit, fields: Fields) -> Response:
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id)

    def work(connection: Connection) -> None:
        reason = filled(ReasonBody, {"reason": fields.get("reason")}).reason
        approval.reject(connection, campaign_id, visit.who, reason)

    return await _decide(visit, campaign_id, fields, work, say("The campaign is rejected."))


async def _decide(
    visit: PageRequest, campaign_id: int, fields: FormData, work: Callable[[Connection], None], flash: Said
) -> Response:
    try:
        await visit.db.awrite(work)
    except (Conflict, Forbidden, Invalid) as error:
        return await _page(visit, campaign_id, refused(error, fields))
    return redirect_with_flash(visit, "/approvals", flash)


async def _page(
    visit: PageRequest, campaign_id: int, entered: FormState, *, counts: bool = False
) -> Response:
    waiting, found = await visit.db.aread(_read, campaign_id, visit, counts)
    values = {"waiting": waiting, "found": found, "purposes": purposes, "outcomes": OUTCOMES}
    return render(visit, "approvals.html", entered.status, entered=entered, **values)


def _read(
    connection: Connection, campaign_id: int, visit: PageRequest, counts: bool
) -> tuple[list[CampaignToApprove], Case | None]:
    """Load the list and the requested campaign, by default the first that is not the reader's own."""
    waiting = approval_queue.waiting(connection, visit.who.name)
    others = [each.id for each in waiting if not each.own] or [each.id for each in waiting]
    chosen = campaign_id or (others[0] if others else 0)
    if not chosen:
        return waiting, None
    return waiting, approval_queue.case(connection, chosen, visit.who, visit.settings, counts=counts)

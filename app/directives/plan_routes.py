"""API routes of plans: rounds before, during and after Tet under one directive."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from app.api.dependencies import Config, Db, Id, Page, Paging, Routes, Who, page_of
from app.api.idempotent_route import Acts
from app.campaigns import plans
from app.campaigns.quiet_hours import DayHours
from app.campaigns.schemas import PlanBody, RoundCampaignBody, RoundFollowUpBody
from app.directives import plan_status
from app.directives.plan_status import Plan, PlanLine

router = Routes(prefix="/v1/plans", tags=["plans"], route_class=Acts)


async def get_place(plan_id: Id, nth: Id) -> tuple[int, int]:
    """Return the path's plan and round."""
    return plan_id, nth


Place = Annotated[tuple[int, int], Depends(get_place)]


@router.post("", status_code=201)
def create_plan(body: PlanBody, db: Db, who: Who, response: Response) -> Plan:
    """Create a plan whose rounds have no campaigns yet."""
    plan_id = db.write(plans.create, body.fields(), who.name)
    response.headers["Location"] = f"/v1/plans/{plan_id}"
    return db.read(plan_status.plan, plan_id)


@router.get("")
def list_plans(db: Db, who: Who, paging: Paging) -> Page[PlanLine]:
    """List plans in order of creation."""
    return page_of(db.read(plan_status.page, paging.after, paging.limit), paging)


@router.get("/{plan_id}")
def get_plan(plan_id: Id, db: Db, who: Who) -> Plan:
    """Get a plan: windows, states and sizes of its rounds, and how many persons each reached first."""
    return db.read(plan_status.plan, plan_id)


@router.put("/{plan_id}/rounds/{nth}")
def set_round(plan_id: Id, nth: Id, body: RoundCampaignBody, db: Db, who: Who) -> Plan:
    """Make a campaign under the plan's directive this round; its window must lie in the round's."""
    db.write(plans.set_round, plan_id, nth, body.campaign_id, who.name)
    return db.read(plan_status.plan, plan_id)


@router.post("/{plan_id}/rounds/{nth}/follow-up", status_code=201)
def follow_up_round(
    place: Place, body: RoundFollowUpBody, db: Db, settings: Config, who: Who, response: Response
) -> Plan:
    """Make the round a draft to those whom the rounds before it did not reach, within the round's window."""
    default = DayHours(settings.day_starts, settings.day_ends)
    made = db.write(plans.follow_up, db, place, body.request(), (default, who.name))
    response.headers["Location"] = f"/v1/campaigns/{made}"
    return db.read(plan_status.plan, place[0])

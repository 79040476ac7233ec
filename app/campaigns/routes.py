"""API routes of directives, texts and campaigns; those of runs are in run_routes.py."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

from fastapi import Depends, Query, Response

from app.api.dependencies import Config, Db, Id, Page, Paging, Routes, Since, Who, page_of
from app.api.idempotent_route import Acts, IfMatch
from app.api.if_match import versions_of
from app.campaigns import (
    approval,
    budget_orders,
    budgets,
    directives,
    follow_ups,
    lifecycle,
    queries,
    text_cost,
    texts,
)
from app.campaigns.quiet_hours import DayHours
from app.campaigns.schemas import (
    ApprovalBody,
    BudgetBody,
    CampaignBody,
    DeadlineBody,
    DirectiveBody,
    FollowUpBody,
    HeldRunBody,
    ReasonBody,
    RunBody,
    WordingBody,
)
from app.core import ids
from app.core.carrier_check import check_filter
from app.core.errors import Invalid, VersionWanted
from app.core.ids import Number
from app.core.states import CampaignState
from app.security import tenant_scope

router = Routes(prefix="/v1", tags=["campaigns"], route_class=Acts)


class Edition(NamedTuple):
    """The campaign to edit, and the version that the editor has read."""

    campaign_id: int
    version: int


async def get_edition(campaign_id: Id, if_match: IfMatch = None) -> Edition:
    """Return the path's campaign and the version of If-Match. Raises VersionWanted without one."""
    if if_match is None:
        raise VersionWanted(
            "If-Match is required. Send the ETag of the campaign that you have read.", field="If-Match"
        )
    found = [number for each in versions_of(if_match) if (number := ids.read(each)) is not None]
    if len(found) != 1:
        raise Invalid("If-Match must contain exactly one version.", field="If-Match")
    return Edition(campaign_id, found[0])


async def get_sought(
    state: Annotated[CampaignState | None, Query(description="only in this state")] = None,
    carrier: Annotated[str | None, Query(description="with a run there", examples=["viettel"])] = None,
    directive_id: Annotated[Number | None, Query(description="under this letter")] = None,
    since: Since = None,
) -> queries.WantedCampaigns:
    return queries.WantedCampaigns(state, carrier, None, directive_id, since)


Sought = Annotated[queries.WantedCampaigns, Depends(get_sought)]
Edited = Annotated[Edition, Depends(get_edition)]


@dataclass(frozen=True, slots=True)
class TextView:
    """A text of messages/, with the cost of each form."""

    key: str
    title: str
    purpose: str
    accented: text_cost.Preview
    unaccented: text_cost.Preview


# ---- Directives


@router.post("/directives", status_code=201)
def create_directive(body: DirectiveBody, db: Db, who: Who, response: Response) -> directives.Directive:
    """Record an official letter, under which campaigns are made."""
    directive_id = db.write(directives.create, body.letter(), who.name)
    response.headers["Location"] = f"/v1/directives/{directive_id}"
    return db.read(directives.get, directive_id)


@router.get("/directives")
def list_directives(db: Db, who: Who, paging: Paging) -> Page[directives.Directive]:
    """List letters in order of creation; an operator sees those behind its carrier's runs."""
    return page_of(db.read(directives.listed, paging.after, paging.limit, who.carrier).items, paging)


@router.get("/directives/{directive_id}")
def get_directive(directive_id: Id, db: Db, who: Who) -> directives.Directive:
    """Get one letter."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    return db.read(directives.get, directive_id)


@router.put("/directives/{directive_id}/deadline")
def put_off_deadline(directive_id: Id, body: DeadlineBody, db: Db, who: Who) -> directives.Directive:
    """Set another report deadline; the one before stays in `deadline_changes`, and in reports up to then."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    db.write(directives.put_off, directive_id, body.report_deadline, body.reason, who.name)
    return db.read(directives.get, directive_id)


# ---- Texts


@router.get("/texts")
def list_texts(who: Who) -> list[TextView]:
    """List the texts of messages/, both forms with their SMS parts."""
    return [_text_view(text) for text in texts.all_texts()]


@router.get("/texts/{key}")
def get_text(key: str, who: Who) -> TextView:
    """Get one text of messages/."""
    return _text_view(texts.find(key))


def _text_view(text: texts.Text) -> TextView:
    return TextView(
        key=text.key,
        title=text.title,
        purpose=text.purpose,
        accented=text_cost.preview(text.accented),
        unaccented=text_cost.preview(text.unaccented),
    )


@router.post("/texts/preview")
def preview_text(body: WordingBody, who: Who) -> text_cost.Previews:
    """Show what a text of your own costs in both forms, with advice. Nothing is stored."""
    return text_cost.previews(body.text, body.subscribers)


# ---- Campaigns


@router.post("/campaigns", status_code=201)
def create_campaign(
    body: CampaignBody, db: Db, settings: Config, who: Who, response: Response
) -> queries.Campaign:
    """Create a campaign as a draft."""
    default = DayHours(settings.day_starts, settings.day_ends)
    campaign_id = db.write(lifecycle.create, body.draft(), default, who.name)
    response.headers["Location"] = f"/v1/campaigns/{campaign_id}"
    return _tagged(db.read(queries.campaign, campaign_id), response)


@router.post("/campaigns/follow-ups", status_code=201)
def follow_up(body: FollowUpBody, db: Db, settings: Config, who: Who, response: Response) -> queries.Dossier:
    """Create a draft to those whom finished campaigns did not reach, with a run at each of their carriers.

    Its audience is made after this answer: `follow_up.ready` says when it can be submitted.
    """
    default = DayHours(settings.day_starts, settings.day_ends)
    campaign_id = db.write(follow_ups.create_waking, db, body.request(), default, who.name)
    response.headers["Location"] = f"/v1/campaigns/{campaign_id}"
    return _dossier(db, campaign_id, who, response)


@router.get("/campaigns")
def list_campaigns(
    db: Db, who: Who, settings: Config, paging: Paging, sought: Sought
) -> Page[queries.Campaign]:
    """List campaigns in order of creation; an operator sees those with a run of its carrier."""
    wanted = replace(sought, operator=who.carrier)
    found = db.read(queries.campaigns_listed, paging.after, paging.limit, wanted).items
    check_filter(settings, None if who.carrier else sought.carrier, found, paging.after)
    return page_of(found, paging)


@router.get("/campaigns/{campaign_id}")
def get_campaign(campaign_id: Id, db: Db, who: Who, response: Response) -> queries.Dossier:
    """Get a campaign with its runs, its decisions, and the digest that an approval signs."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    return _dossier(db, campaign_id, who, response)


@router.put("/campaigns/{campaign_id}")
def edit_campaign(
    edited: Edited, body: CampaignBody, db: Db, settings: Config, who: Who, response: Response
) -> queries.Dossier:
    """Replace the content; an approval becomes void. Not possible once a run has started."""
    db.read(tenant_scope.require, who, campaign_id=edited.campaign_id)
    default = DayHours(settings.day_starts, settings.day_ends)
    db.write(lifecycle.edit, edited.campaign_id, edited.version, body.draft(), default, who.name)
    return _dossier(db, edited.campaign_id, who, response)


@router.post("/campaigns/{campaign_id}/submit")
def submit_campaign(campaign_id: Id, db: Db, who: Who, response: Response) -> queries.Dossier:
    """Submit the draft for approval."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    db.write(lifecycle.submit, campaign_id, who.name)
    return _dossier(db, campaign_id, who, response)


@router.post("/campaigns/{campaign_id}/withdraw")
def withdraw_campaign(campaign_id: Id, db: Db, who: Who, response: Response) -> queries.Dossier:
    """Give the campaign up before anything of it was sent: its runs are removed. An edit reopens it."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    db.write(lifecycle.withdraw, campaign_id, who.name)
    return _dossier(db, campaign_id, who, response)


@router.post("/campaigns/{campaign_id}/approve")
def approve_campaign(
    campaign_id: Id, body: ApprovalBody, db: Db, who: Who, response: Response
) -> queries.Dossier:
    """Approve exactly what was submitted: `digest` is that of what you have read."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    db.write(approval.approve, campaign_id, who, body.digest, body.reason, body.acknowledged)
    return _dossier(db, campaign_id, who, response)


@router.post("/campaigns/{campaign_id}/reject")
def reject_campaign(
    campaign_id: Id, body: ReasonBody, db: Db, who: Who, response: Response
) -> queries.Dossier:
    """Reject what was submitted."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    db.write(approval.reject, campaign_id, who, body.reason)
    return _dossier(db, campaign_id, who, response)


@router.post("/campaigns/{campaign_id}/return")
def return_campaign(
    campaign_id: Id, body: ReasonBody, db: Db, who: Who, response: Response
) -> queries.Dossier:
    """Return what was submitted to its author, as a draft."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    db.write(approval.send_back, campaign_id, who, body.reason)
    return _dossier(db, campaign_id, who, response)


@router.post("/campaigns/{campaign_id}/budget", status_code=201)
def ask_budget(campaign_id: Id, body: BudgetBody, db: Db, who: Who) -> budgets.BudgetOrder:
    """Request another budget for an approved campaign. Another person must approve it."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    return db.write(budget_orders.ask, campaign_id, body.budget_segments, body.because, who.name)


@router.post("/campaigns/{campaign_id}/budget/{order_id}/approve")
def approve_budget(campaign_id: Id, order_id: Id, db: Db, who: Who) -> budgets.BudgetOrder:
    """Approve somebody else's request: runs that have paused themselves for want of budget go on."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    return db.write(budget_orders.approve_waking, db, campaign_id, order_id, who)


@router.post("/campaigns/{campaign_id}/runs", status_code=201)
def add_run(campaign_id: Id, body: RunBody, db: Db, who: Who, response: Response) -> queries.RunSummary:
    """Add the campaign's run at one carrier. An approval becomes void."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    known = body.batch_ids if body.acknowledged else ()
    run_id = db.write(lifecycle.add_run, campaign_id, body.carrier, body.batch_ids, who.name, known)
    response.headers["Location"] = f"/v1/runs/{run_id}"
    return db.read(queries.run, run_id)


@router.post("/campaigns/{campaign_id}/held-runs", status_code=201)
def add_held_run(
    campaign_id: Id, body: HeldRunBody, db: Db, who: Who, response: Response
) -> queries.RunSummary:
    """Add the run at a carrier that sends to its own subscribers. An approval becomes void."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    run_id = db.write(lifecycle.add_held_run, campaign_id, body.carrier, body.audience(), who.name)
    response.headers["Location"] = f"/v1/runs/{run_id}"
    return db.read(queries.run, run_id)


def _dossier(db: Db, campaign_id: int, who: Who, response: Response) -> queries.Dossier:
    found = db.read(queries.dossier, campaign_id, who.carrier)
    _tagged(found.campaign, response)
    return found


def _tagged(campaign: queries.Campaign, response: Response) -> queries.Campaign:
    response.headers["ETag"] = f'"{campaign.version}"'
    return campaign

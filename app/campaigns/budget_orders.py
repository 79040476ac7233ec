"""Another budget for an approved campaign: one person asks for it, another approves it.

The approval is one of the campaign with the new budget, so that its digest binds it.
"""

from __future__ import annotations

from sqlalchemy import Connection, or_, select, update

from app.campaigns import approval, budgets, optimistic_lock
from app.campaigns.budgets import BudgetOrder
from app.campaigns.optimistic_lock import Record
from app.campaigns.runs import Verb, act
from app.core.errors import Conflict, Invalid
from app.core.states import OF_BUDGET, CampaignState, RunState
from app.database.models import budgets as spending
from app.database.models import campaigns, runs
from app.ledger import approval_digest, erasure, money
from app.security import Caller, approval_requests, audit
from app.security.approval_requests import ApprovalRequest, RequestKind


def ask(connection: Connection, campaign_id: int, segments: int, reason: str, who: str) -> BudgetOrder:
    """Ask for another budget of an approved campaign, in SMS parts."""
    campaign = _own(connection, campaign_id)
    _check(connection, campaign, segments)
    if not reason.strip():
        raise Invalid("Enter a reason. The approver will see it.", field="reason")
    subject, why = f"campaign/{campaign_id}", reason.strip()
    audit.note(connection, who, "budget.ask", subject, budget_segments=segments, because=why)
    wanted = {"budget_segments": segments}
    asked = approval_requests.ask(connection, RequestKind.BUDGET, subject, who, why, wanted)
    approval_requests.replace_older(connection, asked)
    return budgets.orders(connection, campaign_id)[-1]


def approve(connection: Connection, campaign_id: int, number: int, caller: Caller) -> BudgetOrder:
    """Approve somebody else's request: the campaign has that budget, and its paused runs go on."""
    campaign = _own(connection, campaign_id)
    order = next((each for each in budgets.orders(connection, campaign_id) if each.number == number), None)
    if order is None:
        raise Invalid(
            "Campaign {n} has no budget request {order}.", n=campaign_id, order=number, field="order_id"
        )
    if order.approved_by is not None:
        return order
    request = approval_requests.sealed(connection, number)
    _check_approver(connection, caller, campaign, request)
    if not order.open or order.budget_segments is None:
        raise Conflict(
            "Request {n} has been replaced by a newer one. Reload and review the newest request.", n=number
        )
    wanted = {"budget_segments": order.budget_segments}
    _check(connection, campaign, order.budget_segments)
    before = approval.require_approved(connection, campaign)
    optimistic_lock.change_campaign(connection, campaign, **wanted, budget_dong=None, budget_signed=None)
    fresh = optimistic_lock.campaign(connection, campaign_id)
    digest = approval_digest.digest(connection, fresh)
    details = {"digest": digest, "decision": "approved", "reason": order.reason, "links": before.links}
    approval.write(connection, campaign_id, caller.name, **details)
    approval_requests.approve(connection, request, caller.name)
    audit.note(connection, caller.name, "budget.raise", f"campaign/{campaign_id}", order=number, **wanted)
    money.open_budget(connection, campaign_id)
    cleared = update(spending).where(spending.c.campaign_id == campaign_id)
    connection.execute(cleared.values(wanted=None))
    _resume(connection, campaign_id, caller.name)
    return budgets.orders(connection, campaign_id)[-1]


def _resume(connection: Connection, campaign_id: int, who: str) -> None:
    """Let the runs go on that have paused themselves because the budget was spent."""
    r, c = runs.c, campaigns.c
    own = or_(c.id == campaign_id, c.budget_of == campaign_id)
    query = select(r.id, r.suspended).join(campaigns, c.id == r.campaign_id)
    paused = query.where(own, r.state == RunState.PAUSED.value, r.suspended.is_not(None)).order_by(r.id)
    for row in connection.execute(paused).all():
        if row.suspended["cause"] in OF_BUDGET:
            act(connection, Verb.RESUME, row.id, who)


def _own(connection: Connection, campaign_id: int) -> Record:
    """Return the approved campaign that has a budget of its own. Raises Conflict."""
    campaign = optimistic_lock.campaign(connection, campaign_id)
    if campaign.budget_of is not None:
        raise Conflict(
            "Campaign {n} shares the budget of campaign {other}. Request the budget there.",
            n=campaign_id,
            other=campaign.budget_of,
        )
    if campaign.state != CampaignState.APPROVED:
        raise Conflict(
            "The campaign is {state}. Edit the campaign to change its budget.", state=campaign.state
        )
    if money.account_of(campaign) is None:
        raise Conflict("Campaign {n} has no budget, so only its size limits it.", n=campaign_id)
    erasure.require_rows(connection, campaign_id)
    return campaign


def _check(connection: Connection, campaign: Record, segments: int) -> None:
    """Raise Invalid unless the wanted budget differs, and is no less than what is spent already."""
    if segments == campaign.budget_segments:
        raise Invalid("The campaign already has this budget.", field="budget_segments")
    found = money.budget_of(connection, campaign)
    if found and segments < found.spent_segments:
        raise Invalid(
            "{n} SMS parts have already been spent. Enter at least this number.",
            n=found.spent_segments,
            field="budget_segments",
        )


def _check_approver(
    connection: Connection, caller: Caller, campaign: Record, request: ApprovalRequest
) -> None:
    approval.check_approver(connection, caller, campaign)
    if approval_requests.is_own(connection, caller, request):
        raise approval.FourEyes(
            "You requested this budget or supplied the account that did. Someone else must approve it."
        )

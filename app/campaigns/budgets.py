"""A campaign's budget: what is spent of it, who has asked for another one, and whether a run may go on.

Who asks and who approves: app/campaigns/budget_orders.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, or_, select

from app.campaigns.optimistic_lock import Record
from app.core import clock
from app.core.errors import Conflict
from app.database.models import campaigns
from app.ledger import money
from app.observability import faults
from app.security import approval_requests
from app.security.approval_requests import RequestKind, RequestState


@dataclass(frozen=True, slots=True)
class BudgetOrder:
    """A request for another budget. number: its act in the audit; budget_segments: null if it was in đồng.

    open: it waits for somebody else's approval; only the newest one can be approved.
    """

    number: int
    campaign_id: int
    budget_segments: int | None
    reason: str
    asked_by: str
    asked_at: datetime
    approved_by: str | None = None
    open: bool = False


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """Whose budget it is, the most SMS parts, and what is spent.

    spent: sent, perhaps sent, or about to be, by this campaign and all that share the budget.
    shared_by: the campaigns that are counted against it. orders: requests for another one.
    """

    campaign_id: int
    segments: int
    spent_segments: int
    shared_by: list[int] = field(default_factory=list)
    orders: list[BudgetOrder] = field(default_factory=list)


def status(connection: Connection, campaign: Record) -> BudgetStatus | None:
    found = money.budget_of(connection, campaign)
    if found is None:
        return None
    c = campaigns.c
    sharing = select(c.id).where(or_(c.id == found.campaign_id, c.budget_of == found.campaign_id))
    return BudgetStatus(
        found.campaign_id,
        found.segments,
        found.spent_segments,
        list(connection.execute(sharing.order_by(c.id)).scalars()),
        orders(connection, found.campaign_id),
    )


def orders(connection: Connection, campaign_id: int) -> list[BudgetOrder]:
    """Return the requests about a campaign's budget, in order."""
    found = approval_requests.of(connection, RequestKind.BUDGET, f"campaign/{campaign_id}")
    return [
        BudgetOrder(
            number=each.id,
            campaign_id=campaign_id,
            budget_segments=each.wanted["budget_segments"],
            reason=each.reason,
            asked_by=each.asked_by,
            asked_at=clock.moment(each.asked_at),
            approved_by=each.approved_by,
            open=each.state == RequestState.OPEN,
        )
        for each in found
    ]


# ---- Whether a run may go on


def require_room(connection: Connection, campaign: Record) -> None:
    """Raise Conflict while the budget has no room for the next message, by a new count of what was sent."""
    if altered := money.recount(connection, campaign):
        faults.record(connection, "budgets", f"campaign {campaign.id}", altered)
    account = money.account_of(campaign)
    if account is not None and money.spent(connection, [account]):
        raise Conflict(
            "The budget of campaign {n} is used up. Request a higher one, which another person must approve.",
            n=account,
        )

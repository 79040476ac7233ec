"""Which links are asked, and for what: as the settings say, and as far as the link can be asked."""

from __future__ import annotations

from app.core.config import LinkSettings
from app.core.errors import SetupError
from app.ledger.contract import Lane
from app.receipts.failure_list_poller import Reconciliation
from app.receipts.poll import Poll
from app.receipts.receipt_writer import Inbox
from app.receipts.status_queries import QueryPlan
from carriers.contract import Carrier, ListedFailures, QueriedReceipts


def askers(
    lane: Lane, carrier: Carrier, link: LinkSettings, inbox: Inbox, lease_s: float
) -> list[Poll | Reconciliation]:
    """What is to run for this link; SetupError where the settings want what it can't do."""
    found: list[Poll | Reconciliation] = []
    if isinstance(carrier, QueriedReceipts) and link.poll != "none":
        plan = QueryPlan(link.poll, link.poll_sample, link.poll_after_s)
        found.append(Poll(lane, carrier, inbox, plan, lease_s))
    elif link.poll in ("sample", "all"):
        raise SetupError(
            f"Link {lane.name}: poll is {link.poll!r}, but a link of kind {link.kind} can't be asked about "
            "messages; leave poll out, or set it to 'none'."
        )
    if isinstance(carrier, ListedFailures) and link.reconcile:
        found.append(Reconciliation(lane, carrier, inbox, lease_s))
    elif link.reconcile:
        raise SetupError(
            f"Link {lane.name}: reconcile is on, but a link of kind {link.kind} has no list of failures; "
            "leave reconcile out."
        )
    return found

"""Operations on directives, texts, campaigns and their budgets; those on runs are in runs.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from app.api.bodies import Walled
from app.api.if_match import versions_of
from app.campaigns import (
    approval,
    budget_orders,
    directives,
    follow_ups,
    lifecycle,
    optimistic_lock,
    queries,
    text_cost,
    texts,
)
from app.campaigns.budgets import BudgetOrder
from app.campaigns.directives import Directive
from app.campaigns.queries import Campaign, Dossier, RunSummary
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
from app.core.carrier_check import check_carrier
from app.core.errors import Invalid, VersionWanted
from app.core.ids import Number
from app.core.states import CampaignState
from app.database.listing import ListPart
from app.ledger import unreached
from app.ledger.unreached import Outcome
from app.operations import Paging, Since, Transaction, operation
from app.security import Caller
from app.security.roles import AUTHORS, EVERYBODY, WORKERS

TAG = "campaigns"


@dataclass(frozen=True, slots=True)
class TextView:
    """A text of messages/, with the cost of each form."""

    key: str
    title: str
    purpose: str
    accented: text_cost.Preview
    unaccented: text_cost.Preview


# ---- Directives


@operation(
    "POST /v1/directives",
    roles=AUTHORS,
    status=201,
    action="directive.create",
    audit="entered {subject}",
    flash="The directive was saved.",
    page="/directives/{id}",
    form="/directives/new",
)
def create_directive(tx: Transaction, body: DirectiveBody) -> Directive:
    """Record an official letter, under which campaigns are made."""
    directive_id = directives.create(tx.connection, body.letter(), tx.who.name)
    tx.headers["Location"] = f"/v1/directives/{directive_id}"
    return directives.get(tx.connection, directive_id)


@operation(
    "GET /v1/directives",
    roles=EVERYBODY,
    command="directive list",
    columns=("id", "number", "issued_on", "issuer", "report_deadline"),
)
def list_directives(tx: Transaction, paging: Paging) -> ListPart[Directive]:
    """List letters in order of creation; an operator sees those that its carrier's runs are based on."""
    return directives.listed(tx.connection, paging.request, paging.limit, tx.who.carrier)


@operation("GET /v1/directives/{directive_id}", roles=EVERYBODY, command="directive show")
def get_directive(tx: Transaction, directive_id: Number) -> Directive:
    """Get one letter."""
    return directives.get(tx.connection, directive_id)


@operation(
    "PUT /v1/directives/{directive_id}/deadline",
    roles=AUTHORS,
    action="directive.deadline",
    audit="changed the deadline of {subject}",
    flash="The deadline was changed.",
    page="/directives/{directive_id}",
)
def put_off_deadline(tx: Transaction, directive_id: Number, body: DeadlineBody) -> Directive:
    """Set another report deadline; the one before stays in `deadline_changes`, and in reports up to then."""
    directives.put_off(tx.connection, directive_id, body.report_deadline, body.reason, tx.who.name)
    return directives.get(tx.connection, directive_id)


# ---- Texts


@operation("GET /v1/texts", roles=EVERYBODY)
def list_texts(who: Caller) -> list[TextView]:
    """List the texts of messages/, both forms with their SMS parts."""
    return [_text_view(text) for text in texts.all_texts()]


@operation("GET /v1/texts/{key}", roles=EVERYBODY, command="text show")
def get_text(who: Caller, key: str) -> TextView:
    """Get one text from messages/."""
    return _text_view(texts.find(key))


def _text_view(text: texts.Text) -> TextView:
    forms = {"accented": text_cost.preview(text.accented), "unaccented": text_cost.preview(text.unaccented)}
    return TextView(text.key, text.title, text.purpose, **forms)


@operation("POST /v1/texts/preview", roles=WORKERS)
def preview_text(who: Caller, body: WordingBody) -> text_cost.Previews:
    """Show what a text of your own costs in both forms, with advice. Nothing is stored."""
    return text_cost.previews(body.text, body.subscribers)


# ---- Campaigns


@operation("POST /v1/campaigns", roles=AUTHORS, status=201, action="campaign.create", audit="wrote {subject}")
def create_campaign(tx: Transaction, body: CampaignBody) -> Campaign:
    """Create a campaign as a draft."""
    campaign_id = lifecycle.create(tx.connection, body.draft(), _hours(tx), tx.who.name)
    tx.headers["Location"] = f"/v1/campaigns/{campaign_id}"
    return _dossier(tx, campaign_id).campaign


@operation(
    "POST /v1/campaigns/follow-ups",
    roles=AUTHORS,
    status=201,
    action="campaign.follow_up",
    audit="created {subject} for those not reached before",
)
def follow_up(tx: Transaction, body: FollowUpBody) -> Dossier:
    """Create a draft for people whom these campaigns did not reach, with one run per carrier.

    This is the only way to write to a person again. Its audience is made after this answer: `follow_up.ready`
    says when it can be submitted.
    """
    campaign_id = follow_ups.create(tx.connection, body.request(), _hours(tx), tx.who.name)
    tx.wake()
    tx.headers["Location"] = f"/v1/campaigns/{campaign_id}"
    return _dossier(tx, campaign_id)


@dataclass(frozen=True, slots=True)
class UnreachedView:
    """Messages of a campaign with one outcome, reason and code of the carrier, at one carrier.

    subscribers: whom a follow-up can write to now. usual: included unless somebody chooses; cause: as a
    follow-up names it.
    """

    carrier: str
    outcome: Outcome
    reason: str | None
    code: str | None
    messages: int
    subscribers: int
    usual: bool
    cause: str


@operation(
    "GET /v1/campaigns/{campaign_id}/unreached",
    roles=EVERYBODY,
    command="campaign unreached",
    columns=("carrier", "cause", "messages", "subscribers", "usual"),
)
def list_unreached(tx: Transaction, campaign_id: Number) -> list[UnreachedView]:
    """Count whom the campaign is not proved to have reached, by carrier, outcome, reason and code.

    `subscribers` are those whom a follow-up could write to now: no other follow-up has reached them, may
    have, or is about to, and no receipt for them is expected.
    """
    optimistic_lock.campaign(tx.connection, campaign_id)
    return [
        UnreachedView(
            count.carrier,
            count.cause.outcome,
            None if count.cause.reason is None else count.cause.reason.name.lower(),
            count.cause.code,
            count.messages,
            count.subscribers,
            count.usual,
            count.cause.spelt(),
        )
        for count in unreached.counts(tx.connection, [campaign_id])
        if tx.who.carrier in (None, count.carrier)
    ]


def _hours(tx: Transaction) -> DayHours:
    return DayHours(tx.settings.day_starts, tx.settings.day_ends)


@operation(
    "GET /v1/campaigns",
    roles=EVERYBODY,
    command="campaign list",
    options={"directive_id": "directive"},
    columns=("id", "name", "purpose", "sender", "state", "window_start", "window_end"),
)
def list_campaigns(
    tx: Transaction,
    paging: Paging,
    state: Annotated[CampaignState | None, Field(description="only in this state")] = None,
    carrier: Annotated[
        str | None,
        Walled,
        Field(description="only campaigns with a run at this carrier", examples=["viettel"]),
    ] = None,
    directive_id: Annotated[Number | None, Field(description="only campaigns under this directive")] = None,
    since: Since = None,
) -> ListPart[Campaign]:
    """List campaigns in order of creation; an operator sees those with a run at its carrier."""
    wanted = queries.WantedCampaigns(state, carrier, tx.who.carrier, directive_id, since)
    return queries.campaigns_listed(tx.connection, paging.request, paging.limit, wanted)


@operation("GET /v1/campaigns/{campaign_id}", roles=EVERYBODY)
def get_campaign(tx: Transaction, campaign_id: Number) -> Dossier:
    """Get a campaign with its runs, its decisions, and the digest that an approval signs."""
    return _dossier(tx, campaign_id)


@operation(
    "PUT /v1/campaigns/{campaign_id}",
    roles=AUTHORS,
    action="campaign.edit",
    audit="changed {subject}",
    versioned=True,
)
def edit_campaign(tx: Transaction, campaign_id: Number, body: CampaignBody) -> Dossier:
    """Replace the content; an approval becomes void. Not possible once a run has started."""
    if tx.if_match is None:
        raise VersionWanted(
            "If-Match is required. Send the ETag of the campaign that you have read.", field="If-Match"
        )
    read = [number for each in versions_of(tx.if_match) if (number := ids.read(each)) is not None]
    if len(read) != 1:
        raise Invalid("If-Match must contain exactly one version.", field="If-Match")
    lifecycle.edit(tx.connection, campaign_id, read[0], body.draft(), _hours(tx), tx.who.name)
    return _dossier(tx, campaign_id)


def _dossier(tx: Transaction, campaign_id: int) -> Dossier:
    found = queries.dossier(tx.connection, campaign_id, tx.who.carrier)
    tx.headers["ETag"] = f'"{found.campaign.version}"'
    return found


def _state(result: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"campaign": result["campaign_id"], "state": result["campaign"].state}


@operation(
    "POST /v1/campaigns/{campaign_id}/submit",
    roles=AUTHORS,
    command="campaign submit",
    audit="submitted {subject}",
    done="Campaign {campaign_id} is submitted.",
    facts=_state,
    flash="The campaign was submitted. Another person must decide.",
    page="/campaigns/{campaign_id}",
)
def submit_campaign(tx: Transaction, campaign_id: Number) -> Dossier:
    """Submit the draft for approval."""
    lifecycle.submit(tx.connection, campaign_id, tx.who.name)
    return _dossier(tx, campaign_id)


@operation(
    "POST /v1/campaigns/{campaign_id}/withdraw",
    roles=AUTHORS,
    command="campaign withdraw",
    audit="withdrew {subject}",
    done="Campaign {campaign_id} is withdrawn.",
    facts=_state,
    flash="The campaign was withdrawn. Editing reopens it.",
    page="/campaigns",
)
def withdraw_campaign(tx: Transaction, campaign_id: Number) -> Dossier:
    """Withdraw a campaign before anything is sent. Its runs are removed; an edit reopens it."""
    lifecycle.withdraw(tx.connection, campaign_id, tx.who.name)
    return _dossier(tx, campaign_id)


@operation(
    "POST /v1/campaigns/{campaign_id}/approve",
    roles=AUTHORS,
    command="campaign approve",
    personal=True,
    action="campaign.approved",
    audit="approved {subject}",
    done="Campaign {campaign_id} is approved.",
    facts=_state,
    flash="The campaign is approved. Its runs can start.",
    page="/approvals",
)
def approve_campaign(tx: Transaction, campaign_id: Number, body: ApprovalBody) -> Dossier:
    """Approve exactly what was submitted; `digest` names the version that you have read."""
    if not approval.is_repeated(tx.connection, campaign_id, tx.who.name, body.digest):  # by a second click
        approval.approve(tx.connection, campaign_id, tx.who, body.digest, body.reason, body.acknowledged)
    return _dossier(tx, campaign_id)


@operation(
    "POST /v1/campaigns/{campaign_id}/reject",
    roles=AUTHORS,
    command="campaign reject",
    personal=True,
    action="campaign.rejected",
    audit="rejected {subject}",
    done="Campaign {campaign_id} is rejected.",
    facts=_state,
    flash="The campaign was rejected.",
    page="/approvals",
)
def reject_campaign(tx: Transaction, campaign_id: Number, body: ReasonBody) -> Dossier:
    """Reject the submitted campaign."""
    approval.reject(tx.connection, campaign_id, tx.who, body.reason)
    return _dossier(tx, campaign_id)


@operation(
    "POST /v1/campaigns/{campaign_id}/return",
    roles=AUTHORS,
    command="campaign return",
    personal=True,
    action="campaign.returned",
    audit="returned {subject} to its author",
    done="Campaign {campaign_id} is a draft again.",
    facts=_state,
    flash="The campaign was returned to its author.",
    page="/approvals",
)
def return_campaign(tx: Transaction, campaign_id: Number, body: ReasonBody) -> Dossier:
    """Return the submitted campaign to its author as a draft."""
    approval.send_back(tx.connection, campaign_id, tx.who, body.reason)
    return _dossier(tx, campaign_id)


@operation(
    "POST /v1/campaigns/{campaign_id}/runs",
    roles=AUTHORS,
    status=201,
    action="run.add",
    audit="added {subject}",
)
def add_run(tx: Transaction, campaign_id: Number, body: RunBody) -> RunSummary:
    """Add the campaign's run at one carrier. An approval becomes void."""
    known = body.batch_ids if body.acknowledged else ()
    run_id = lifecycle.add_run(tx.connection, campaign_id, body.carrier, body.batch_ids, tx.who.name, known)
    return _added(tx, run_id)


@operation("POST /v1/campaigns/{campaign_id}/held-runs", roles=AUTHORS, status=201, action="run.add")
def add_held_run(tx: Transaction, campaign_id: Number, body: HeldRunBody) -> RunSummary:
    """Add the run at a carrier that sends to its own subscribers. An approval becomes void."""
    check_carrier(tx.settings, body.carrier)
    run_id = lifecycle.add_held_run(tx.connection, campaign_id, body.carrier, body.audience(), tx.who.name)
    return _added(tx, run_id)


def _added(tx: Transaction, run_id: int) -> RunSummary:
    tx.headers["Location"] = f"/v1/runs/{run_id}"
    return queries.run(tx.connection, run_id)


# ---- Budgets


@operation(
    "POST /v1/campaigns/{campaign_id}/budget",
    roles=AUTHORS,
    status=201,
    command="budget ask",
    options={"budget_segments": "segments"},
    audit="requested another budget of {subject}",
    done="Request {number} is waiting for approval: loa budget approve {campaign_id} {number}",
    facts=lambda result: {"campaign": result["campaign_id"], "order": result["number"]},
    flash="Requested. Another person must approve it.",
    page="/campaigns/{campaign_id}#budget",
)
def ask_budget(tx: Transaction, campaign_id: Number, body: BudgetBody) -> BudgetOrder:
    """Request a new budget for an approved campaign. Another person must approve it."""
    return budget_orders.ask(tx.connection, campaign_id, body.budget_segments, body.reason, tx.who.name)


@operation(
    "POST /v1/campaigns/{campaign_id}/budget/{order_id}/approve",
    roles=AUTHORS,
    command="budget approve",
    personal=True,
    action="budget.raise",
    audit="approved another budget of {subject}",
    done="Campaign {campaign_id} now has the budget of request {order_id}.",
    facts=lambda result: {"campaign": result["campaign_id"], "order": result["order_id"]},
    flash="The budget is approved.",
    page="/campaigns/{campaign_id}#budget",
)
def approve_budget(tx: Transaction, campaign_id: Number, order_id: Number) -> BudgetOrder:
    """Approve another person's request. Runs that paused because the budget was used up continue."""
    found = budget_orders.approve(tx.connection, campaign_id, order_id, tx.who)
    tx.wake()
    return found

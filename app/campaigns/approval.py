"""Approve exactly what will be sent: a digest that any edit makes void."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from app.campaigns import optimistic_lock, text_cost
from app.campaigns.optimistic_lock import Record
from app.campaigns.quiet_hours import breaks_quiet_hours
from app.core.errors import Conflict, Forbidden, Invalid
from app.core.states import CampaignState, move_campaign
from app.database.connection import shared_ms
from app.database.models import approvals, audiences, batches, run_batches, runs
from app.ledger import money
from app.ledger.approval_digest import (
    approved,
    authors,
    bind_open,
    digest,
    holds,
    is_stamped,
    last_decision,
    link_contents,
    stamp,
)
from app.security import Caller, audit
from app.security.credential_provenance import behind, shared
from app.security.principal import base_name
from app.security.roles import AUTHORS
from app.sender_names.checks import require_registered, template_codes
from carriers.phrases import join

_BOTH = (
    "{name} would be on both sides of this campaign, because giving an account its key or password "
    "counts as taking part in what it does. Ask someone else to decide, or get a new key or "
    "password from another administrator or another account on the host (`loa key add`, `loa user "
    "password`)."
)


class FourEyes(Forbidden):
    """You wrote, changed or submitted this campaign or uploaded its list of numbers, or one person supplied
    the key or password of accounts on both sides.

    Someone else must decide. See docs/access.md.
    """

    slug, title = "four-eyes", "Someone else must decide"


def check_approver(connection: Connection, caller: Caller, campaign: Record) -> None:
    """Raise Forbidden without the role, FourEyes for those who had a hand in the campaign.

    One person is the same at the keyboard and over the API. Whoever gave an account its key or password
    stands behind it, so that nobody writes by one account and approves by another.
    """
    if caller.role not in AUTHORS:
        raise Forbidden("Only approvers can decide on campaigns. Your role is {role}.", role=caller.role)
    hands = {campaign.created_by, *campaign.editors} | {campaign.submitted_by or campaign.created_by}
    hands |= _suppliers(connection, campaign.id) | authors(connection, campaign.id)
    theirs = {base_name(name) for name in hands}.union(
        campaign.behind, *(behind(connection, n) for n in hands)
    )
    own = {base_name(caller.name)}
    if own <= {base_name(name) for name in hands}:
        raise FourEyes(
            "You wrote, changed or submitted this campaign or uploaded its list. Someone else must decide."
        )
    if both := shared(own | behind(connection, caller.name), theirs):
        raise FourEyes(_BOTH, name=join(sorted(both), " and "))


def _suppliers(connection: Connection, campaign_id: int) -> set[str]:
    """Return who uploaded the lists of numbers, which are as much of a campaign as its text."""
    of = batches.c.id == run_batches.c.batch_id
    query = select(batches.c.created_by, batches.c.again_by).join(run_batches, of)
    rows = connection.execute(query.where(run_batches.c.campaign_id == campaign_id))
    return {name for row in rows for name in (row.created_by, *row.again_by)}


def approve(
    connection: Connection,
    campaign_id: int,
    caller: Caller,
    seen: str | None = None,
    reason: str | None = None,
    acknowledged: bool = False,
) -> None:
    """Approve what was submitted; `seen`: the digest that the approver has read.

    An urgent warning in the quiet hours needs a reason, which is kept with the approver's name. A text with a
    link, a strange number or a false letter must be acknowledged; the audit keeps what was.
    """
    campaign = _open_to(connection, campaign_id, caller)
    found = digest(connection, campaign)
    if seen is not None and not holds(connection, campaign, seen):
        raise Conflict(
            "The campaign has changed since you opened it. Reload and review it again.", field="digest"
        )
    reason = (reason or "").strip() or None
    if reason is None and breaks_quiet_hours(campaign.day_starts, campaign.day_ends):
        raise Invalid(
            "The campaign may send at night, during quiet hours. Enter a reason why this is necessary.",
            field="reason",
        )
    require_registered(connection, campaign)
    advice = text_cost.grave(campaign.texts.values())
    if advice and not acknowledged:
        raise Invalid(
            "The text needs another look: {sentence} Return it for changes, or confirm that you "
            "have checked it (acknowledged).",
            sentence=advice[0],
            field="acknowledged",
            faults=[("acknowledged", sentence) for sentence in advice],
        )
    approval = {"digest": found, "decision": "approved", "reason": reason}
    if money.account_of(campaign) == campaign_id:
        money.open_budget(connection, campaign_id)
    _decide(connection, campaign, caller, CampaignState.APPROVED, **approval)
    if advice:
        audit.note(connection, caller.name, "advice.acknowledge", f"campaign/{campaign_id}", advice=advice)


def is_repeated(connection: Connection, campaign_id: int, who: str, seen: str) -> bool:
    """Return whether this person has just given exactly this approval; repeating it changes nothing."""
    last = last_decision(connection, campaign_id)
    campaign = optimistic_lock.campaign(connection, campaign_id)
    same = last is not None and (last.decision, last.by, last.digest) == ("approved", who, seen)
    return same and campaign.state == CampaignState.APPROVED


def reject(connection: Connection, campaign_id: int, caller: Caller, reason: str) -> None:
    _refuse(connection, campaign_id, caller, CampaignState.REJECTED, reason)


def send_back(connection: Connection, campaign_id: int, caller: Caller, reason: str) -> None:
    _refuse(connection, campaign_id, caller, CampaignState.DRAFT, reason)


def _refuse(
    connection: Connection, campaign_id: int, caller: Caller, new: CampaignState, reason: str
) -> None:
    if not reason.strip():
        raise Invalid("Enter a reason, so that the author knows what to change.", field="reason")
    campaign = _open_to(connection, campaign_id, caller)
    decision = "rejected" if new is CampaignState.REJECTED else "returned"
    found = digest(connection, campaign)
    _decide(connection, campaign, caller, new, digest=found, decision=decision, reason=reason.strip())


def _open_to(connection: Connection, campaign_id: int, caller: Caller) -> Record:
    campaign = optimistic_lock.campaign(connection, campaign_id)
    check_approver(connection, caller, campaign)
    if campaign.state != CampaignState.SUBMITTED:
        raise Conflict(
            "The campaign is {state}. You can only decide on submitted campaigns.", state=campaign.state
        )
    return campaign


def _decide(
    connection: Connection, campaign: Record, caller: Caller, new: CampaignState, **decision: Any
) -> None:
    optimistic_lock.change_campaign(connection, campaign, state=move_campaign(campaign.state, new))
    write(connection, campaign.id, caller.name, **decision)


def write(connection: Connection, campaign_id: int, who: str, **decision: Any) -> None:
    row = {"campaign_id": campaign_id, "at": shared_ms(connection), "by": who, "reason": None} | decision
    if row["decision"] != "approved":
        row["links"] = None
    elif "links" not in row:
        row["links"] = _links(connection, campaign_id)
    row["content"] = None if row["decision"] == "voided" else content(connection, campaign_id)
    connection.execute(insert(approvals).values(row | {"stamp": stamp(connection, row)}))
    details = {name: value for name, value in decision.items() if name != "links"}
    audit.note(connection, who, f"campaign.{decision['decision']}", f"campaign/{campaign_id}", **details)


def _links(connection: Connection, campaign_id: int) -> dict[str, list[str]] | None:
    """Return what links make of the text, and the codes of the registered templates that they send along."""
    codes = template_codes(connection, optimistic_lock.campaign(connection, campaign_id))
    found = link_contents(connection, campaign_id)
    return codes | (found or {}) if codes else found


def content(connection: Connection, campaign_id: int) -> dict[str, Any]:
    """Return what a decision is on, in words and numbers that a later one is compared with."""
    campaign, size = optimistic_lock.campaign(connection, campaign_id), func.sum(batches.c.accepted)
    of_batches = (
        select(runs.c.carrier, size)
        .join(run_batches, run_batches.c.run_id == runs.c.id)
        .join(batches, batches.c.id == run_batches.c.batch_id)
    )
    held = select(runs.c.carrier, audiences.c.estimated).join(audiences, audiences.c.run_id == runs.c.id)
    people: dict[str, int] = {}
    for query in (of_batches.group_by(runs.c.carrier), held):
        for carrier, n in connection.execute(query.where(runs.c.campaign_id == campaign_id)):
            people[carrier] = people.get(carrier, 0) + int(n)
    return {
        "texts": campaign.texts,
        "sender": campaign.sender,
        "purpose": campaign.purpose,
        "window": [campaign.window_start, campaign.window_end],
        "day": [campaign.day_starts, campaign.day_ends],
        "people": people,
        "budget": [campaign.budget_segments, None, campaign.budget_of],  # between them: once đồng
    }


def sign(connection: Connection, campaign_id: int, digest: str, who: str) -> None:
    """Stamp an approval from before there was a key, or from before the links' settings changed.

    Raises Conflict unless the last decision is such an approval with this digest.
    """
    last = last_decision(connection, campaign_id)
    now = _links(connection, campaign_id)
    waits = last is not None and (last.stamp is None or (is_stamped(connection, last) and last.links != now))
    if last is None or last.decision != "approved" or not waits or last.digest != digest:
        raise Conflict(
            "Campaign {campaign} has no unsigned approval with this digest.",
            campaign=campaign_id,
        )
    fresh = stamp(connection, last._asdict() | {"links": now})
    if fresh is None:
        raise Conflict("There is no key to sign with. Set secret_key.")
    connection.execute(update(approvals).where(approvals.c.id == last.id).values(stamp=fresh, links=now))
    bind_open(connection, campaign_id)
    audit.note(connection, who, "approval.signed", f"campaign/{campaign_id}", digest=digest, by=last.by)


def void(connection: Connection, campaign: Record, who: str) -> None:
    """Record that an edit has ended an approval; `campaign` is the row before the edit."""
    last = last_decision(connection, campaign.id)
    found = last.digest if last else ""
    write(connection, campaign.id, who, digest=found, decision="voided", reason="edited")


def require_approved(connection: Connection, campaign: Record) -> Record:
    """Return the decision by which exactly this content was approved. Raises Conflict."""
    if campaign.state != CampaignState.APPROVED:
        raise Conflict("The campaign is {state}. Runs can start only after approval.", state=campaign.state)
    decision = approved(connection, campaign)
    last = last_decision(connection, campaign.id)
    if last is not None and last.stamp is None and not is_stamped(connection, last):
        raise Conflict(
            "The approval of campaign {number} was given before secret_key was set, or outside "
            "Loa. If it is genuine, run `loa campaign sign {campaign} --digest DIGEST` on the host.",
            number=campaign.id,
            campaign=campaign.id,
        )
    if decision is None:
        raise Conflict("The campaign differs from what was approved. Submit it for approval again.")
    return decision

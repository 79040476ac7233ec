"""Approval of exactly what will be sent: a digest that any edit makes void."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import Connection, insert, select

from app import audit, clock
from app.auth import Caller
from app.campaigns import records
from app.campaigns.records import Record
from app.errors import Conflict, Forbidden, Invalid
from app.models import approvals, batches, run_batches, runs
from app.states import CampaignState, move_campaign


def may_approve(_caller: Caller, _campaign: Record) -> bool:
    """Whether this caller may decide on this campaign.

    For now every holder of a key may. The four-eyes rule belongs here: another person than
    `created_by` and `submitted_by`, with the role of approver.
    """
    return True


def digest(connection: Connection, campaign: Record) -> str:
    """SHA-256 over the canonical JSON of everything that decides who gets which text, from whom and when."""
    content = {
        "texts": campaign.texts,
        "sender": campaign.sender,
        "purpose": campaign.purpose,
        "window": [campaign.window_start, campaign.window_end],
        "day": [campaign.day_starts, campaign.day_ends],
        "runs": _audience(connection, campaign.id),
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _audience(connection: Connection, campaign_id: int) -> dict[str, list[str]]:
    """Carrier -> the files' own hashes."""
    query = (
        select(runs.c.carrier, batches.c.sha256)
        .join(run_batches, run_batches.c.run_id == runs.c.id)
        .join(batches, batches.c.id == run_batches.c.batch_id)
        .where(runs.c.campaign_id == campaign_id)
        .order_by(runs.c.carrier, batches.c.sha256)
    )
    audience: dict[str, list[str]] = {}
    for carrier, sha256 in connection.execute(query):
        audience.setdefault(carrier, []).append(sha256)
    return audience


def approve(connection: Connection, campaign_id: int, caller: Caller, seen: str | None = None) -> None:
    """Approve what was submitted; `seen` is the digest that the approver has read, if it is given."""
    campaign = _open_to(connection, campaign_id, caller)
    found = digest(connection, campaign)
    if seen is not None and seen != found:
        raise Conflict("The campaign is no longer the one that you have read; read it again.", field="digest")
    _decide(connection, campaign, caller, CampaignState.APPROVED, digest=found, decision="approved")


def reject(connection: Connection, campaign_id: int, caller: Caller, reason: str) -> None:
    """Refuse what was submitted, for a reason."""
    _refuse(connection, campaign_id, caller, CampaignState.REJECTED, reason)


def send_back(connection: Connection, campaign_id: int, caller: Caller, reason: str) -> None:
    """Return what was submitted to its author, to be worked over."""
    _refuse(connection, campaign_id, caller, CampaignState.DRAFT, reason)


def _refuse(
    connection: Connection, campaign_id: int, caller: Caller, new: CampaignState, reason: str
) -> None:
    if not reason.strip():
        raise Invalid("Say why, so that the author knows what to change.", field="reason")
    campaign = _open_to(connection, campaign_id, caller)
    decision = "rejected" if new is CampaignState.REJECTED else "returned"
    found = digest(connection, campaign)
    _decide(connection, campaign, caller, new, digest=found, decision=decision, reason=reason.strip())


def _open_to(connection: Connection, campaign_id: int, caller: Caller) -> Record:
    campaign = records.campaign(connection, campaign_id)
    if not may_approve(caller, campaign):
        raise Forbidden("This campaign must be decided on by somebody else.")
    if campaign.state != CampaignState.SUBMITTED:
        raise Conflict(f"The campaign is {campaign.state}; only a submitted one can be decided on.")
    return campaign


def _decide(
    connection: Connection, campaign: Record, caller: Caller, new: CampaignState, **decision: Any
) -> None:
    records.change_campaign(connection, campaign, state=move_campaign(campaign.state, new))
    write(connection, campaign.id, caller.name, **decision)


def write(connection: Connection, campaign_id: int, who: str, **decision: Any) -> None:
    """Add one decision: digest, decision and perhaps a reason."""
    connection.execute(
        insert(approvals).values(campaign_id=campaign_id, at=clock.now_ms(), by=who, **decision)
    )
    audit.note(connection, who, f"campaign.{decision['decision']}", f"campaign/{campaign_id}", **decision)


def void(connection: Connection, campaign: Record, who: str) -> None:
    """Write down that an edit has ended an approval; `campaign` is the row before the edit."""
    last = _last(connection, campaign.id)
    found = last.digest if last else ""
    write(connection, campaign.id, who, digest=found, decision="voided", reason="edited")


def require_approved(connection: Connection, campaign: Record) -> None:
    """Conflict unless exactly this content was approved."""
    if campaign.state != CampaignState.APPROVED:
        raise Conflict(f"The campaign is {campaign.state}; a run starts once it is approved.")
    last = _last(connection, campaign.id)
    if last is None or last.decision != "approved" or last.digest != digest(connection, campaign):
        raise Conflict("The campaign differs from what was approved; submit it again for approval.")


def _last(connection: Connection, campaign_id: int) -> Record | None:
    query = select(approvals).where(approvals.c.campaign_id == campaign_id).order_by(approvals.c.id.desc())
    return connection.execute(query.limit(1)).first()

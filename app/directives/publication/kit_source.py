"""What a campaign's kit is made of: the approved text and what surrounds it on papers, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from app.campaigns import approval, optimistic_lock, texts
from app.campaigns.optimistic_lock import Record
from app.core import clock, hashing
from app.core.config import Settings
from app.core.errors import Conflict
from app.database.models import directives
from app.ledger.approval_digest import digest
from app.reports.forms import letterhead
from app.reports.forms.letterhead import POLICE, Letterhead
from carriers import text as sms


@dataclass(frozen=True, slots=True)
class KitSource:
    """An approved campaign. sent: language -> text as sent by SMS; original: with its diacritics.

    verify: the address of the public check, "" without a public host; directive: number and ISO date in
    brackets, or None.
    """

    campaign_id: int
    purpose: str
    sent: dict[str, str]
    original: str
    digest: str
    approved_at: datetime
    directive: str | None
    head: Letterhead
    verify: str


def read(connection: Connection, campaign_id: int, settings: Settings) -> KitSource:
    """Return what is approved. Raises NotFound, and Conflict for a campaign that is not as approved."""
    campaign = optimistic_lock.campaign(connection, campaign_id)
    decision = approval.require_approved(connection, campaign)
    approved_at = clock.local(clock.from_ms(decision.at))
    hosts = settings.public_hosts
    return KitSource(
        campaign_id=campaign_id,
        purpose=campaign.purpose,
        sent=dict(sorted(campaign.texts.items())),
        original=_original(connection, campaign, decision.digest),
        digest=decision.digest,
        approved_at=approved_at,
        directive=_directive(connection, campaign.directive_id),
        head=letterhead.load(settings.letterheads).of(POLICE, approved_at.date()),
        verify=f"https://{hosts[0]}/verify" if hosts else "",
    )


def _original(connection: Connection, campaign: Record, signed: str) -> str:
    """Return the text with its diacritics: as signed, or of messages/ if only its diacritics were dropped."""
    sent: str = campaign.texts[""]
    if sms.unaccent(sent) != sent:
        return sent
    if campaign.wording is not None and digest(connection, campaign, hashing.algorithm_of(signed)) == signed:
        return _same(campaign.wording, sent)
    known = {each.key: each.accented for each in texts.all_texts()}.get(campaign.text_key or "")
    return known if known is not None and sms.unaccent(known) == sent else sent


def _same(original: str, sent: str) -> str:
    if sms.unaccent(original) != sent:
        raise Conflict("The text with diacritics is another one than the text to be sent; edit the campaign.")
    return original


def _directive(connection: Connection, directive_id: int | None) -> str | None:
    letter = connection.execute(select(directives).where(directives.c.id == directive_id)).first()
    return f"{letter.number} ({letter.issued_on})" if letter else None

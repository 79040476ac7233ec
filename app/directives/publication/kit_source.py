"""What a campaign's kit is made of: the approved text and what surrounds it on papers, nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select

from app.campaigns import approval, carrier_audience, optimistic_lock, texts
from app.campaigns.optimistic_lock import Record
from app.core import areas, clock, hashing
from app.core.config import Settings
from app.core.errors import Conflict
from app.database.models import directives, runs
from app.ledger.approval_digest import digest
from app.reports.forms import letterhead
from app.reports.forms.letterhead import POLICE, Letterhead
from carriers import text as sms


@dataclass(frozen=True, slots=True)
class KitSource:
    """An approved campaign. sent: language -> text as sent by SMS; original: with its diacritics.

    areas: (code, name) of those that are written to, none for the whole province; verify: the address of the
    public check, "" without a public host; directive: number and ISO date in brackets, or None.
    """

    campaign_id: int
    purpose: str
    sent: dict[str, str]
    original: str
    digest: str
    approved_at: datetime
    expires_at: datetime | None
    areas: tuple[tuple[str, str], ...]
    directive: str | None
    head: Letterhead
    verify: str
    words_per_minute: int

    @property
    def host(self) -> str:
        return self.verify.removeprefix("https://").partition("/")[0]


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
        expires_at=campaign.window_end and clock.local(clock.from_ms(campaign.window_end)),
        areas=_areas(connection, campaign),
        directive=_directive(connection, campaign.directive_id),
        head=letterhead.load(settings.letterheads).of(POLICE, approved_at.date()),
        verify=f"https://{hosts[0]}/verify" if hosts else "",
        words_per_minute=settings.publication.words_per_minute,
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


def _areas(connection: Connection, campaign: Record) -> tuple[tuple[str, str], ...]:
    """Return the areas, if every run is limited to some; a list of numbers may be from anywhere."""
    query = select(runs.c.id).where(runs.c.campaign_id == campaign.id)
    held = [carrier_audience.of_run(connection, run_id) for run_id in connection.execute(query).scalars()]
    if not all(each is not None and each.areas for each in held):
        return ()
    on = clock.local(clock.from_ms(campaign.window_start) if campaign.window_start else clock.now()).date()
    asked = {code for each in held if each for code in each.areas}
    codes = sorted({own for code in asked for own in _now(code, on)})
    return tuple((code, areas.name(code, on)) for code in codes)


def _now(code: str, on: date) -> Iterable[str]:
    """Return the area, or if it was merged by then those that it belongs to."""
    return (code,) if areas.find(code, on) else areas.rows_of(code, on)


def _directive(connection: Connection, directive_id: int | None) -> str | None:
    letter = connection.execute(select(directives).where(directives.c.id == directive_id)).first()
    return f"{letter.number} ({letter.issued_on})" if letter else None

"""Addresses at which addressees have published the text: reported, read again when due, and kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote

from sqlalchemy import Connection, insert, select, update

from app.campaigns import optimistic_lock
from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict, Invalid, NotFound
from app.core.masking import holds_number
from app.core.publication_settings import PublicationSettings
from app.database.connection import shared_ms
from app.database.models import publication_findings, publications
from app.directives.publication import fetching, kit_source
from app.directives.publication.comparing import Found
from app.reports.figures import addressees
from app.reports.figures import publications as known
from app.reports.figures.publications import Publication
from app.security import audit

LEASE_MS = 60_000  # how long one reading has the address for itself


@dataclass(frozen=True, slots=True)
class PublicationClaim:
    """Where an addressee, under its name in the directive, has published the text of a campaign."""

    addressee: str
    campaign_id: int
    url: str


@dataclass(frozen=True, slots=True)
class DueReading:
    """An address that is being read now."""

    id: int
    campaign_id: int
    url: str
    ends_at: int  # ms since 1970


def _names_a_number(url: str) -> bool:
    """Return whether a telephone number stands in the address, also coded once or more."""
    for _ in range(3):
        url = unquote(url)
    return holds_number(url)


def report(
    connection: Connection, directive_id: int, claim: PublicationClaim, settings: Settings, who: str
) -> Publication:
    """Keep the address; it is read at once, and again at intervals. Raises Conflict if it is known."""
    asked = {each.name for each in addressees.of_directive(connection, directive_id)}
    if claim.addressee not in asked:
        raise Invalid(
            "The directive has no such addressee; spell it as in the letter, or add it first.",
            field="addressee",
        )
    url = fetching.check(claim.url.strip(), settings.publication)
    if _names_a_number(url):
        raise Invalid("The web address has a phone number in it; give one without.", field="url")
    campaign = optimistic_lock.campaign(connection, claim.campaign_id)
    if campaign.directive_id != directive_id:
        raise Invalid("The campaign is not under this directive.", field="campaign_id")
    kit_source.read(connection, claim.campaign_id, settings)  # only what is approved is compared with
    if _row(connection, directive_id, claim.campaign_id, url) is not None:
        raise Conflict("This address is reported already for this campaign.", field="url")
    now = shared_ms(connection)
    row: dict[str, Any] = {"directive_id": directive_id, "campaign_id": claim.campaign_id, "url": url}
    row |= {"addressee": claim.addressee, "reported_at": now, "reported_by": who, "due_at": now}
    made = connection.execute(insert(publications).values(row).returning(publications.c.id)).scalar_one()
    detail = {"addressee": claim.addressee, "campaign": claim.campaign_id, "url": url}
    audit.note(connection, who, "publication.report", f"directive/{directive_id}", **detail)
    return known.get(connection, made)


def withdraw(connection: Connection, directive_id: int, claim: PublicationClaim, who: str) -> None:
    """Read the address no more and leave it out of later reports: it was a mistake."""
    row = _row(connection, directive_id, claim.campaign_id, claim.url.strip())
    if row is None or row.addressee != claim.addressee:
        raise NotFound(
            "No such address is reported; `loa publication list` shows those that are.", field="url"
        )
    gone = {"withdrawn_at": shared_ms(connection), "due_at": None}
    connection.execute(update(publications).where(publications.c.id == row.id).values(gone))
    detail = {"addressee": row.addressee, "campaign": row.campaign_id, "url": row.url}
    audit.note(connection, who, "publication.withdraw", f"directive/{directive_id}", **detail)


def _row(connection: Connection, directive_id: int, campaign_id: int, url: str) -> Any:
    p = publications.c
    same = (p.directive_id == directive_id, p.campaign_id == campaign_id, p.url == url)
    return connection.execute(select(publications).where(*same, p.withdrawn_at.is_(None))).first()


# ---- Reading


def is_due(connection: Connection) -> bool:
    due = select(publications.c.id).where(publications.c.due_at <= shared_ms(connection)).limit(1)
    return connection.execute(due).first() is not None


def claim_due(connection: Connection, settings: PublicationSettings, most: int) -> list[DueReading]:
    """Take addresses that are due, so that no other process reads them meanwhile."""
    p, now = publications.c, shared_ms(connection)
    rows = connection.execute(
        select(publications).where(p.due_at <= now).order_by(p.due_at, p.id).limit(most)
    ).all()
    taken = []
    for row in rows:
        mine = update(publications).where(p.id == row.id, p.due_at == row.due_at)
        if connection.execute(mine.values(due_at=now + LEASE_MS)).rowcount:
            ends_at = row.reported_at + settings.check_days * clock.DAY_MS
            taken.append(DueReading(row.id, row.campaign_id, row.url, ends_at))
    return taken


def keep_found(
    connection: Connection, of: DueReading, sha256: str, found: Found, settings: PublicationSettings
) -> None:
    """Keep what was read; a finding only if it is another one than before."""
    state, differences = found
    now = shared_ms(connection)
    read = {"read_at": now, "sha256": sha256, "failing_since": None, "failure": None}
    if not _advance(connection, of, read, settings):
        return
    f = publication_findings.c
    query = select(publication_findings).where(f.publication_id == of.id).order_by(f.id.desc()).limit(1)
    last = connection.execute(query).first()
    said = [asdict(each) for each in differences]
    if last is None or (last.state, last.differences) != (state, said):
        row = {"publication_id": of.id, "at": now, "state": state.value, "sha256": sha256}
        connection.execute(insert(publication_findings).values(row | {"differences": said}))


def keep_failure(connection: Connection, of: DueReading, why: str, settings: PublicationSettings) -> None:
    """Keep that it could not be read, and since when; what was found before stands."""
    p = publications.c
    since = connection.execute(select(p.failing_since).where(p.id == of.id)).scalar()
    failed = {"failing_since": shared_ms(connection) if since is None else since, "failure": why}
    _advance(connection, of, failed, settings)


def _advance(
    connection: Connection, of: DueReading, values: dict[str, Any], settings: PublicationSettings
) -> bool:
    """Set what was found and when it is read next; False if it was withdrawn meanwhile."""
    p, now = publications.c, shared_ms(connection)
    due = None if now >= of.ends_at else now + round(settings.check_minutes * 60_000)
    still = update(publications).where(p.id == of.id, p.withdrawn_at.is_(None))
    return bool(connection.execute(still.values(values | {"due_at": due})).rowcount)

"""Erasures with their certificates, and what is kept until when and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from fastapi import Response
from sqlalchemy import Connection

from app.api.dependencies import Id, Routes
from app.core import clock
from app.privacy import certificates, retention_due
from app.privacy.certificates import Certificate
from app.privacy.erasable import Erasable, ErasureKind, RetentionTerms
from app.web import query_params
from app.web.rendering import Visit, render
from app.web.translations import Said, say

router = Routes(include_in_schema=False)
ON_A_PAGE = 20

KINDS: dict[ErasureKind, Said] = {
    ErasureKind.CAMPAIGN: say("numbers of a campaign"),
    ErasureKind.BATCH: say("subscribers of a batch"),
    ErasureKind.RECEIPT_FILE: say("lines of a result file"),
    ErasureKind.QUARANTINE: say("receipts in quarantine"),
    ErasureKind.INBOUND: say("messages to us"),
    ErasureKind.TOTALS: say("totals of a campaign"),
    ErasureKind.NOTICES: say("notices"),
    ErasureKind.AUDIT: say("acts of the audit"),
}


@dataclass(frozen=True, slots=True)
class KeptItem:
    """A kept item. due_at None: `why` says what holds it; otherwise `why` is the rule."""

    kind: ErasureKind
    id: int | None
    name: str
    due_at: datetime | None
    why: str


@router.get("/erasures")
async def page_erasures(visit: Visit, after: str = "", due: str = "") -> Response:
    """List erasures, newest first, and what is kept from place `due` on, soonest due first."""
    settings, below, first = visit.settings, query_params.number(after), query_params.number(due)
    terms = RetentionTerms(settings.retention_days, settings.records_months)

    def work(connection: Connection) -> tuple[list[Certificate], list[KeptItem]]:
        made = certificates.newest(connection, below or query_params.LARGEST, ON_A_PAGE)
        return list(made), [] if below else _kept(connection, terms, first)

    made, kept = await visit.db.aread(work)
    following = made[-1].id if len(made) == ON_A_PAGE else None
    later = first + ON_A_PAGE if len(kept) > ON_A_PAGE else None
    values: dict[str, Any] = {"made": made, "kept": kept[:ON_A_PAGE], "kinds": KINDS, "terms": terms}
    return render(visit, "erasures.html", first=not below, next=following, later=later, **values)


@router.get("/erasures/{erasure_id}")
async def page_erasure(erasure_id: Id, visit: Visit) -> Response:
    """Show one certificate for printing."""
    found = await visit.db.aread(certificates.get, erasure_id)
    return render(visit, "erasure.html", of=found, paper=certificates.text(found))


def _kept(connection: Connection, terms: RetentionTerms, first: int) -> list[KeptItem]:
    """Return a page of kept items and one more, soonest due first, those without a date last."""
    found = sorted(
        retention_due.subjects(connection, terms), key=lambda each: (each.due_at is None, each.due_at or 0)
    )
    return [_shown(each) for each in islice(found, first, first + ON_A_PAGE + 1)]


def _shown(of: Erasable) -> KeptItem:
    at = None if of.due_at is None else clock.from_ms(of.due_at)
    return KeptItem(of.kind, of.id, of.name, at, of.held or of.rule)

"""Erasures with their certificates, and what is kept until when and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import Depends, Response
from sqlalchemy import Connection

from app.api.dependencies import Id, Routes
from app.core import clock
from app.database.listing import ListPart
from app.privacy import certificates, retention_due, terms_in_force
from app.privacy.certificates import Certificate
from app.privacy.erasable import Erasable, ErasureKind, RetentionTerms
from app.privacy.terms_in_force import TermsInForce
from app.web import query_params
from app.web.forms.list_export import ListFile, list_file, wants_file
from app.web.forms.list_query import ListQuery, ListView, list_view
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


FILE = ListFile(
    "erasures",
    {
        say("Certificate"): "id",
        say("Called"): "name",
        say("Sort"): lambda each, speaker: speaker.say(KINDS[each.kind]),
        say("Erased"): "ended_at",
        say("Rows"): lambda each, _: sum(each.rows.values()),
        say("By whom"): "by",
        say("State"): lambda each, speaker: speaker.say(_state(each)),
    },
)


def _state(of: Certificate) -> Said:
    if not of.ended_at:
        return say("being erased")
    return say("as it was made") if of.intact else say("altered")


@dataclass(frozen=True, slots=True)
class KeptItem:
    """A kept item. due_at None: `why` says what holds it; otherwise `why` is the rule."""

    kind: ErasureKind
    id: int | None
    name: str
    due_at: datetime | None
    why: str


@router.get("/erasures")
async def page_erasures(
    visit: Visit,
    query: Annotated[ListQuery, Depends()],
    kind: str = "",
    kept_after: str = "",
    kept_nth: str = "",
) -> Response:
    """List erasures, newest first, and what is kept, soonest due first, from a place on."""
    settings, place = visit.settings, query_params.number(kept_after or kept_nth)
    terms = RetentionTerms(settings.retention_days, settings.records_months)
    only = ErasureKind(kind) if kind in list(ErasureKind) else None
    if wants_file(query):
        return list_file(
            visit, FILE, query.request(certificates.ORDERS), partial(certificates.listed, kind=only)
        )

    def work(connection: Connection) -> tuple[ListPart[Certificate], ListPart[KeptItem], TermsInForce]:
        made = certificates.listed(connection, query.request(certificates.ORDERS), ON_A_PAGE, only)
        force = terms_in_force.in_force(connection, terms)
        return made, ListPart((), 0) if query.after else _kept(connection, force.terms, place), force

    made, kept, force = await visit.db.aread(work)
    shown = list_view(visit, query, made, {"kind": only or ""})
    later = ListView(kept.items, visit.path, {}, frozenset(), kept.total, place, kept.next, "kept_")
    return render(visit, "erasures.html", list=shown, kept=later, kinds=KINDS, force=force)


@router.get("/erasures/{erasure_id}")
async def page_erasure(erasure_id: Id, visit: Visit) -> Response:
    """Show one certificate for printing."""
    found = await visit.db.aread(certificates.get, erasure_id)
    return render(visit, "erasure.html", of=found, paper=certificates.text(found))


def _kept(connection: Connection, terms: RetentionTerms, place: int) -> ListPart[KeptItem]:
    """Return a part of the kept items, soonest due first, those without a date last."""
    found = sorted(
        retention_due.subjects(connection, terms), key=lambda each: (each.due_at is None, each.due_at or 0)
    )
    end = place + ON_A_PAGE
    return ListPart(
        [_shown(each) for each in found[place:end]], len(found), str(end) if end < len(found) else ""
    )


def _shown(of: Erasable) -> KeptItem:
    at = None if of.due_at is None else clock.from_ms(of.due_at)
    return KeptItem(of.kind, of.id, of.name, at, of.held or of.rule)

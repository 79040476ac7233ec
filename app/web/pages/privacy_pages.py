"""What persons ask about their own data, with its answers; erasures and their certificates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import Depends, Response
from sqlalchemy import Connection

from app.api.dependencies import Id, Routes
from app.core import clock
from app.database import clock_leaps
from app.database.listing import ListPart
from app.privacy import certificates, erasable, operations, person_requests, retention_due, terms_in_force
from app.privacy.certificates import Certificate
from app.privacy.erasable import Erasable, ErasureKind, RetentionTerms
from app.privacy.person_requests import PersonRequest, RequestKind, RequestOutcome
from app.privacy.terms_in_force import TermsInForce
from app.security.roles import may
from app.web import query_params
from app.web.forms.list_export import ListFile, list_file, wants_file
from app.web.forms.list_query import UNASKED, ListQuery, ListView, list_view
from app.web.operation_forms import add_forms
from app.web.rendering import (
    FormState,
    PageRequest,
    Visit,
    render,
)
from app.web.translations import Said, say

router = Routes(include_in_schema=False)
ON_A_PAGE = 50
KINDS: dict[str, Said] = {
    RequestKind.SEE: say("access to the data"),
    RequestKind.ERASE: say("erasure of the data"),
    RequestKind.RESTRICT: say("restriction of processing"),
    RequestKind.OBJECT: say("objection to messages"),
}
OUTCOMES: dict[str, Said] = {
    RequestOutcome.DONE: say("carried out"),
    RequestOutcome.REFUSED: say("refused"),
}


def _state(request: PersonRequest) -> Said:
    if request.outcome is None:
        return say("overdue") if request.overdue else say("not answered")
    return OUTCOMES[request.outcome]


FILE = ListFile(
    "person-requests",
    {
        say("No."): "id",
        say("Request type"): lambda row, speaker: speaker.say(KINDS[row.kind]),
        say("Phone number"): "phone",
        say("Received on"): lambda row, _: row.came_on.isoformat(),
        say("Answer due"): lambda row, _: row.due_on.isoformat(),
        say("Reference of the request"): "reference",
        say("State"): lambda row, speaker: speaker.say(_state(row)),
        say("Answered by"): "answered_by",
        say("Answered at"): "answered_at",
    },
)


@router.get("/person-requests")
async def page_person_requests(
    visit: Visit, query: Annotated[ListQuery, Depends()], state: str = ""
) -> Response:
    """List the requests, newest first, with the form of a new one."""
    if wants_file(query):
        read = partial(person_requests.listed, open_only=state == "open")
        return list_file(visit, FILE, query.request(person_requests.ORDERS), read)
    return await _list(visit, FormState(), query, state)


@router.get("/person-requests/{request_id}")
async def page_person_request(request_id: Id, visit: Visit) -> Response:
    """Show a request, its answer, and the paper for who asked."""
    return await _one(visit, FormState(), request_id)


async def _list(
    visit: PageRequest, entered: FormState, query: ListQuery = UNASKED, state: str = ""
) -> Response:
    asked = query.request(person_requests.ORDERS)
    only = state == "open"
    found = await visit.db.aread(person_requests.listed, asked, ON_A_PAGE, open_only=only)
    shown = list_view(visit, query, found, {"state": "open" if only else ""})
    values = {"kinds": KINDS, "state_of": _state, "records": may(visit.who.role, "record_person_request")}
    return render(visit, "person_requests.html", entered.status, list=shown, entered=entered, **values)


async def _one(visit: PageRequest, entered: FormState, request_id: int) -> Response:
    found = await visit.db.aread(person_requests.get, request_id)
    values = {"kinds": KINDS, "state_of": _state, "answers": may(visit.who.role, "answer_person_request")}
    return render(visit, "person_request.html", entered.status, of=found, entered=entered, **values)


add_forms(router, operations, only={"record_person_request": _list, "answer_person_request": _one})

ERASURES_ON_A_PAGE = 20

ERASURE_KINDS: dict[ErasureKind, Said] = {
    ErasureKind.CAMPAIGN: say("numbers of a campaign"),
    ErasureKind.BATCH: say("subscribers of a batch"),
    ErasureKind.RECEIPT_FILE: say("lines of a result file"),
    ErasureKind.QUARANTINE: say("receipts in quarantine"),
    ErasureKind.INBOUND: say("inbound messages"),
    ErasureKind.TOTALS: say("totals of a campaign"),
    ErasureKind.NOTICES: say("notices"),
    ErasureKind.AUDIT: say("audit log entries"),
}


ERASURES_FILE = ListFile(
    "erasures",
    {
        say("Certificate"): "id",
        say("Name"): "name",
        say("Type"): lambda row, speaker: speaker.say(ERASURE_KINDS[row.kind]),
        say("Erased"): "ended_at",
        say("Rows"): lambda row, _: sum(row.rows.values()),
        say("User"): "by",
        say("State"): lambda row, speaker: speaker.say(_erasure_state(row)),
    },
)


def _erasure_state(certificate: Certificate) -> Said:
    if not certificate.ended_at:
        return say("being erased")
    return say("unaltered") if certificate.intact else say("altered")


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
            visit, ERASURES_FILE, query.request(certificates.ORDERS), partial(certificates.listed, kind=only)
        )

    def work(connection: Connection) -> tuple[ListPart[Certificate], ListPart[KeptItem], TermsInForce]:
        made = certificates.listed(connection, query.request(certificates.ORDERS), ERASURES_ON_A_PAGE, only)
        force = terms_in_force.in_force(connection, terms)
        return made, ListPart((), 0) if query.after else _kept(connection, force.terms, place), force

    made, kept, force = await visit.db.aread(work)
    leap = await visit.db.aread(clock_leaps.leap)
    shown = list_view(visit, query, made, {"kind": only or ""})
    later = ListView(kept.items, visit.path, {}, frozenset(), kept.total, place, kept.next, "kept_")
    return render(visit, "erasures.html", list=shown, kept=later, kinds=ERASURE_KINDS, force=force, leap=leap)


@router.get("/erasures/{erasure_id}")
async def page_erasure(erasure_id: Id, visit: Visit) -> Response:
    """Show one certificate for printing."""
    found = await visit.db.aread(certificates.get, erasure_id)
    return render(
        visit,
        "erasure.html",
        of=found,
        rule=erasable.phrase(found.rule),
        paper=certificates.text(found),
    )


def _kept(connection: Connection, terms: RetentionTerms, place: int) -> ListPart[KeptItem]:
    """Return a part of the kept items, soonest due first, those without a date last."""
    found = sorted(
        retention_due.subjects(connection, terms), key=lambda row: (row.due_at is None, row.due_at or 0)
    )
    end = place + ERASURES_ON_A_PAGE
    return ListPart(
        [_shown(each) for each in found[place:end]], len(found), str(end) if end < len(found) else ""
    )


def _shown(erasable: Erasable) -> KeptItem:
    at = None if erasable.due_at is None else clock.from_ms(erasable.due_at)
    return KeptItem(erasable.kind, erasable.id, erasable.name, at, erasable.held or erasable.rule)

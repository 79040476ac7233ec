"""Operations on a person's data and requests, on do-not-send lists, and on certificates of erasure."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.api.bodies import Line, NumberBody, Prose, StrictBody, Walled
from app.core.carrier_check import check_carrier
from app.core.ids import Number
from app.database.listing import ListPart
from app.operations import Download, OfCarrier, Paging, Transaction, Work, operation
from app.privacy import certificates, do_not_send, person_requests
from app.privacy.certificates import Certificate
from app.privacy.do_not_send import LONGEST, MOST, Changed, DoNotSendEntry
from app.privacy.person_answers import PersonAnswer, PersonAnswers
from app.privacy.person_data import PersonData, person_data
from app.privacy.person_requests import NewPersonRequest, PersonRequest, RequestKind, RequestOutcome
from app.security.roles import ADMINS, AUTHORS, EVERYBODY, OFFICE, SENDERS
from app.security.tenant_scope import named_carrier

TAG = "privacy"


class Numbers(BaseModel):
    """Numbers in any usual spelling; `carrier` may be left out by its operator."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"carrier": "viettel", "numbers": ["0912 345 678"]}]}
    )

    carrier: Annotated[str | None, Walled] = Field(None, max_length=40)
    numbers: list[Annotated[str, Field(max_length=LONGEST)]] = Field(min_length=1, max_length=MOST)


class PersonRequestBody(NumberBody):
    """What the holder of a number asks about their own data. came_on: the day on which it came."""

    kind: RequestKind
    came_on: date = Field(examples=["2026-11-27"])
    reference: Line = Field(examples=["Đơn số 12 ngày 27/11/2026"])


class PersonAnswerBody(StrictBody):
    """How the request is answered: done carries out what was asked, refused does nothing."""

    outcome: RequestOutcome
    why: Prose = Field(examples=["Đã xóa theo yêu cầu của chủ thuê bao."])


@operation(
    "POST /v1/privacy/person",
    roles=ADMINS,
    keyed=False,
    personal=True,
    action="person.data",
    audit="viewed the data held about {subject}",
)
def read_person_data(work: Work, body: NumberBody) -> PersonData:
    """Read what is held on one exact number: where, since when, why, and who has looked for it.

    The answer to who asks for their own data, masked, with a paper; the audit keeps each reading.
    """
    return person_data(work.db, body.phone, work.who)


@operation(
    "POST /v1/person-requests",
    roles=AUTHORS,
    keyed=False,
    personal=True,
    action="person-request.record",
    audit="recorded {subject}",
    flash="The request was recorded.",
    page="/person-requests/{id}",
    hidden=("phone",),
)
def record_person_request(tx: Transaction, body: PersonRequestBody) -> PersonRequest:
    """Record what a person asks about their own data, to be answered within two working days.

    The same number, kind, day and reference again is the request that is there, as long as it is open.
    """
    wanted = NewPersonRequest(body.phone, body.kind, body.came_on, body.reference)
    return person_requests.record(tx.connection, wanted, tx.who.name, tx.settings.holidays)


@operation(
    "GET /v1/person-requests",
    roles=OFFICE,
    command="privacy requests",
    options={"open_only": "open"},
    columns=("id", "kind", "phone", "came_on", "due_on", "overdue", "outcome", "answered_by"),
)
def list_person_requests(
    tx: Transaction,
    paging: Paging,
    open_only: Annotated[bool, Field(description="only open requests")] = False,
) -> ListPart[PersonRequest]:
    """List people's requests about their own data, with masked numbers and without the documents."""
    return person_requests.listed(tx.connection, paging.request, paging.limit, open_only=open_only)


@operation("GET /v1/person-requests/{request_id}", roles=OFFICE)
def get_person_request(tx: Transaction, request_id: Number) -> PersonRequest:
    """Get a request with the paper for who asked; `intact` says whether its seal still fits."""
    return person_requests.get(tx.connection, request_id)


@operation(
    "POST /v1/person-requests/{request_id}/answer",
    roles=ADMINS,
    personal=True,
    action="person-request.answer",
    audit="answered {subject}",
    flash="The request was answered.",
    page="/person-requests/{request_id}",
)
def answer_person_request(work: Work, request_id: Number, body: PersonAnswerBody) -> PersonRequest:
    """Answer a request: erase, list the number everywhere, or say what is held; or refuse it.

    Whoever recorded a request for erasure cannot carry it out. The number is gone from an answered request.
    """
    answers = PersonAnswers(work.db, work.ledger, work.settings.retention_days, work.who)
    return answers.answer(request_id, PersonAnswer(body.outcome, body.why))


@operation(
    "GET /v1/do-not-send",
    roles=EVERYBODY,
    command="do-not-send list",
    columns=("id", "carrier", "phone", "added_at", "added_by"),
)
def list_do_not_send(tx: Transaction, paging: Paging, carrier: OfCarrier = None) -> ListPart[DoNotSendEntry]:
    """List the numbers that get no messages, masked, in order of creation."""
    return do_not_send.listed(tx.connection, paging.request, paging.limit, carrier)


@operation(
    "POST /v1/do-not-send",
    roles=SENDERS,
    personal=True,
    action="do-not-send.add",
    audit="added numbers to the do-not-send list of {subject}",
    page="/do-not-send",
    hidden=("numbers",),
    form="/do-not-send/add",
)
def add_do_not_send(tx: Transaction, body: Numbers) -> Changed:
    """Add up to 10,000 numbers to a carrier's list; repeating it changes nothing.

    What is queued already is left out when its turn comes; what the carrier has can't be called back.
    """
    carrier = check_carrier(tx.settings, named_carrier(tx.who, body.carrier))
    return do_not_send.add(tx.connection, carrier, body.numbers, tx.who.name)


@operation(
    "POST /v1/do-not-send/remove",
    roles=SENDERS,
    personal=True,
    action="do-not-send.remove",
    audit="removed numbers from the do-not-send list of {subject}",
    page="/do-not-send",
    hidden=("numbers",),
)
def remove_do_not_send(tx: Transaction, body: Numbers) -> Changed:
    """Remove numbers from a carrier's list; repeating it changes nothing."""
    carrier = check_carrier(tx.settings, named_carrier(tx.who, body.carrier))
    return do_not_send.remove(tx.connection, carrier, body.numbers, tx.who.name)


@operation("GET /v1/erasures", roles=OFFICE)
def list_erasures(tx: Transaction, paging: Paging) -> ListPart[Certificate]:
    """List what was erased, in order: for each, rows by table, the rule, the times and the hash."""
    return certificates.listed(tx.connection, paging.request, paging.limit)


@operation("GET /v1/erasures/{erasure_id}", roles=OFFICE)
def get_erasure(tx: Transaction, erasure_id: Number) -> Certificate:
    """Get one certificate; `intact` says whether its hash still fits."""
    return certificates.get(tx.connection, erasure_id)


@operation(
    "GET /v1/erasures/{erasure_id}/text",
    roles=OFFICE,
    files={"content": {"text/plain": {"schema": {"type": "string"}}}},
)
def print_erasure(tx: Transaction, erasure_id: Number) -> Download:
    """Get the certificate to print and file, in Vietnamese."""
    text = certificates.text(certificates.get(tx.connection, erasure_id))
    return Download(f"{text}\n".encode(), "", "text/plain; charset=utf-8")

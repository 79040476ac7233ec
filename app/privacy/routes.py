"""API routes of privacy: a person's data and requests, do-not-send lists and erasure certificates."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import Query
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from app.api.bodies import Line, Prose, StrictBody
from app.api.dependencies import Config, Db, Id, LedgerDep, Page, Paging, Routes, Who, page_of
from app.api.idempotent_route import Acts, unkeyed
from app.core.carrier_check import check_carrier, check_filter
from app.core.errors import Forbidden, Invalid
from app.dispatch.schemas import NumberBody
from app.privacy import certificates, do_not_send, person_requests
from app.privacy.certificates import Certificate
from app.privacy.do_not_send import LONGEST, MOST, Changed, DoNotSendEntry
from app.privacy.person_answers import PersonAnswer, PersonAnswers
from app.privacy.person_data import PersonData, person_data
from app.privacy.person_requests import NewPersonRequest, PersonRequest, RequestKind, RequestOutcome
from app.security import Caller

router = Routes(prefix="/v1", tags=["privacy"], route_class=Acts)

Number = Annotated[str, Field(max_length=LONGEST)]
Carrier = Annotated[str | None, Query(description="only of this carrier", examples=["viettel"])]


class Numbers(BaseModel):
    """Numbers in any usual spelling; `carrier` may be left out by its operator."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"carrier": "viettel", "numbers": ["0912 345 678"]}]}
    )

    carrier: str | None = Field(None, max_length=40)
    numbers: list[Number] = Field(min_length=1, max_length=MOST)


@router.post("/privacy/person")
@unkeyed
def read_person_data(body: NumberBody, db: Db, who: Who) -> PersonData:
    """Read what is held on one exact number: where, since when, why, and who has looked for it.

    The answer to who asks for their own data, masked, with a paper; the audit keeps each reading.
    """
    return person_data(db, body.phone, who)


class PersonRequestBody(NumberBody):
    """What the holder of a number asks about their own data. came_on: the day on which it came."""

    kind: RequestKind
    came_on: date = Field(examples=["2026-11-27"])
    reference: Line = Field(examples=["Đơn số 12 ngày 27/11/2026"])


class PersonAnswerBody(StrictBody):
    """How the request is answered: done carries out what was asked, refused does nothing."""

    outcome: RequestOutcome
    why: Prose = Field(examples=["Đã xóa theo yêu cầu của chủ thuê bao."])


@router.post("/person-requests")
@unkeyed
def record_person_request(body: PersonRequestBody, db: Db, settings: Config, who: Who) -> PersonRequest:
    """Record what a person asks about their own data, to be answered within two working days.

    The same number, kind, day and reference again is the request that is there, as long as it is open.
    """
    wanted = NewPersonRequest(body.phone, body.kind, body.came_on, body.reference)
    return db.write(person_requests.record, wanted, who.name, settings.holidays)


@router.get("/person-requests")
def list_person_requests(
    db: Db, paging: Paging, open_only: Annotated[bool, Query(description="only those that are open")] = False
) -> Page[PersonRequest]:
    """List what persons have asked about their own data, numbers masked, without the papers."""
    found = db.read(person_requests.listed, paging.after, paging.limit, open_only=open_only).items
    return page_of(found, paging)


@router.get("/person-requests/{request_id}")
def get_person_request(request_id: Id, db: Db) -> PersonRequest:
    """Get a request with the paper for who asked; `intact` says whether its seal still fits."""
    return db.read(person_requests.get, request_id)


@router.post("/person-requests/{request_id}/answer")
def answer_person_request(
    request_id: Id, body: PersonAnswerBody, db: Db, ledger: LedgerDep, settings: Config, who: Who
) -> PersonRequest:
    """Answer a request: erase, list the number everywhere, or say what is held; or refuse it.

    Whoever recorded a request for erasure cannot carry it out. The number is gone from an answered request.
    """
    answers = PersonAnswers(db, ledger, settings.retention_days, who)
    return answers.answer(request_id, PersonAnswer(body.outcome, body.why))


@router.get("/do-not-send")
def list_do_not_send(
    db: Db, who: Who, settings: Config, paging: Paging, carrier: Carrier = None
) -> Page[DoNotSendEntry]:
    """List who is not written to, masked, in order of creation."""
    found = db.read(do_not_send.listed, paging.after, paging.limit, _own(who, carrier)).items
    check_filter(settings, carrier, found, paging.after)
    return page_of(found, paging)


@router.post("/do-not-send")
def add_do_not_send(body: Numbers, db: Db, settings: Config, who: Who) -> Changed:
    """Add up to 10,000 numbers to a carrier's list; repeating it changes nothing.

    What is queued already is left out when its turn comes; what the carrier has can't be called back.
    """
    carrier = check_carrier(settings, named(who, body.carrier))
    return db.write(do_not_send.add, carrier, body.numbers, who.name)


@router.post("/do-not-send/remove")
def remove_do_not_send(body: Numbers, db: Db, settings: Config, who: Who) -> Changed:
    """Remove numbers from a carrier's list; repeating it changes nothing."""
    carrier = check_carrier(settings, named(who, body.carrier))
    return db.write(do_not_send.remove, carrier, body.numbers, who.name)


@router.get("/erasures")
def list_erasures(db: Db, paging: Paging) -> Page[Certificate]:
    """List what was erased, in order: for each, rows by table, the rule, the times and the hash."""
    return page_of(db.read(certificates.listed, paging.after, paging.limit).items, paging)


@router.get("/erasures/{erasure_id}")
def get_erasure(erasure_id: Id, db: Db) -> Certificate:
    """Get one certificate; `intact` says whether its hash still fits."""
    return db.read(certificates.get, erasure_id)


@router.get("/erasures/{erasure_id}/text", response_class=PlainTextResponse)
def print_erasure(erasure_id: Id, db: Db) -> PlainTextResponse:
    """Get the certificate to print and file, in Vietnamese."""
    return PlainTextResponse(certificates.text(db.read(certificates.get, erasure_id)) + "\n")


def _own(who: Caller, carrier: str | None) -> str | None:
    if who.carrier is not None and carrier not in (None, who.carrier):
        raise Forbidden("Your account can only be used for {carrier}.", carrier=who.carrier, field="carrier")
    return who.carrier or carrier


def named(who: Caller, carrier: str | None) -> str:
    """Return the named carrier, or the operator's own. Raises Invalid if there is neither."""
    own = _own(who, carrier)
    if own is None:
        raise Invalid("Choose a carrier in the field “carrier”.", field="carrier")
    return own

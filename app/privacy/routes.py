"""API routes of privacy: do-not-send lists and erasure certificates."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from app.api.dependencies import Config, Db, Id, Page, Paging, Routes, Who, page_of
from app.api.idempotent_route import Acts, unkeyed
from app.core.errors import Forbidden, Invalid
from app.core.known_carriers import check_carrier, check_filter
from app.dispatch.schemas import NumberBody
from app.privacy import certificates, do_not_send
from app.privacy.certificates import Certificate
from app.privacy.do_not_send import LONGEST, MOST, Changed, DoNotSendEntry
from app.privacy.person_data import PersonData, person_data
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


@router.get("/do-not-send")
def list_do_not_send(
    db: Db, who: Who, settings: Config, paging: Paging, carrier: Carrier = None
) -> Page[DoNotSendEntry]:
    """List who is not written to, masked, in order of creation."""
    found = db.read(do_not_send.page, paging.after, paging.limit, _own(who, carrier))
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
    return page_of(db.read(certificates.page, paging.after, paging.limit), paging)


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
        raise Forbidden(f"Your key is for {who.carrier} only.", field="carrier")
    return who.carrier or carrier


def named(who: Caller, carrier: str | None) -> str:
    """Return the named carrier, or the operator's own. Raises Invalid if there is neither."""
    own = _own(who, carrier)
    if own is None:
        raise Invalid("Name the carrier in the field “carrier”.", field="carrier")
    return own

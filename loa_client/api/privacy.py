"""Privacy: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from loa_client.operation import Call, Iteration, Operation, new_key, place
from loa_client.values import given

HeldKind = Literal[
    "list",
    "message",
    "receipts",
    "result_file",
    "quarantine",
    "inbound",
    "do_not_send",
    "panel",
    "asked",
    "named",
    "written",
]

HeldWhy = Literal["task", "proof", "request", "others", "records"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldData:
    kind: HeldKind
    why: HeldWhy
    name: str
    carrier: str
    n: int
    since: datetime
    area: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberSighting:
    who: str
    at: datetime
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonData:
    phone: str
    at: datetime
    held: list[HeldData]
    seen: list[NumberSighting] | None
    paper: str = ""
    sha256: str = ""
    seal: str | None = None


RequestKind = Literal["see", "erase", "restrict", "object"]

RequestOutcome = Literal["done", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRequest:
    id: int
    kind: RequestKind
    phone: str
    came_on: date
    due_on: date
    overdue: bool
    reference: str
    recorded_at: datetime
    recorded_by: str
    outcome: RequestOutcome | None
    answered_at: datetime | None
    answered_by: str | None
    answer: str | None
    sha256: str | None
    seal: str | None
    intact: bool
    paper: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoNotSendEntry:
    id: int
    carrier: str
    phone: str
    added_at: datetime
    added_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedEntry:
    place: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    changed: int
    unchanged: int
    refused: list[RefusedEntry]


ErasureKind = Literal[
    "campaign", "batch", "receipt_file", "quarantine", "inbound", "totals", "notices", "audit"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    id: int
    kind: ErasureKind
    subject_id: int | None
    name: str
    rule: str
    days: int
    due_at: datetime
    first_at: datetime | None
    last_at: datetime | None
    rows: dict[str, int]
    totals: list[list[int]]
    kept_reports: dict[str, str]
    by: str
    started_at: datetime
    ended_at: datetime | None
    sha256: str | None
    intact: bool
    months: int | None = None
    anchor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmedClock:
    before: datetime
    after: datetime


class PrivacyOperations:
    @Operation
    def read_person_data(self, *, phone: str) -> Call[PersonData]:
        """Read what is held on one exact number."""
        return Call(method="POST", path="/v1/privacy/person", answer=PersonData, json=given(phone=phone))

    @Iteration
    def list_person_requests(
        self, *, open_only: bool | None = None, after: int | None = None, limit: int | None = None
    ) -> Call[PersonRequest]:
        """List people's requests about their own data, with masked numbers and without the documents."""
        return Call(
            method="GET",
            path="/v1/person-requests",
            answer=PersonRequest,
            query=given(open_only=open_only, after=after, limit=limit),
        )

    @Operation
    def record_person_request(
        self, *, phone: str, kind: RequestKind, came_on: date, reference: str
    ) -> Call[PersonRequest]:
        """Record what a person asks about their own data, to be answered within two working days."""
        return Call(
            method="POST",
            path="/v1/person-requests",
            answer=PersonRequest,
            json=given(phone=phone, kind=kind, came_on=came_on, reference=reference),
        )

    @Operation
    def get_person_request(self, request_id: int) -> Call[PersonRequest]:
        """Get a request with the paper for who asked."""
        return Call(method="GET", path=place("/v1/person-requests/{}", request_id), answer=PersonRequest)

    @Operation
    def answer_person_request(
        self, request_id: int, *, outcome: RequestOutcome, why: str, idempotency_key: str | None = None
    ) -> Call[PersonRequest]:
        """Answer a request."""
        return Call(
            method="POST",
            path=place("/v1/person-requests/{}/answer", request_id),
            answer=PersonRequest,
            json=given(outcome=outcome, why=why),
            key=idempotency_key or new_key(),
        )

    @Iteration
    def list_do_not_send(
        self, *, carrier: str | None = None, after: int | None = None, limit: int | None = None
    ) -> Call[DoNotSendEntry]:
        """List the numbers that get no messages, masked, in order of creation."""
        return Call(
            method="GET",
            path="/v1/do-not-send",
            answer=DoNotSendEntry,
            query=given(carrier=carrier, after=after, limit=limit),
        )

    @Operation
    def add_do_not_send(
        self, *, numbers: list[str], carrier: str | None = None, idempotency_key: str | None = None
    ) -> Call[Changed]:
        """Add up to 10,000 numbers to a carrier's list."""
        return Call(
            method="POST",
            path="/v1/do-not-send",
            answer=Changed,
            json=given(carrier=carrier, numbers=numbers),
            key=idempotency_key or new_key(),
        )

    @Operation
    def remove_do_not_send(
        self, *, numbers: list[str], carrier: str | None = None, idempotency_key: str | None = None
    ) -> Call[Changed]:
        """Remove numbers from a carrier's list."""
        return Call(
            method="POST",
            path="/v1/do-not-send/remove",
            answer=Changed,
            json=given(carrier=carrier, numbers=numbers),
            key=idempotency_key or new_key(),
        )

    @Iteration
    def list_erasures(self, *, after: int | None = None, limit: int | None = None) -> Call[Certificate]:
        """List what was erased, in order."""
        return Call(
            method="GET", path="/v1/erasures", answer=Certificate, query=given(after=after, limit=limit)
        )

    @Operation
    def get_erasure(self, erasure_id: int) -> Call[Certificate]:
        """Get one certificate."""
        return Call(method="GET", path=place("/v1/erasures/{}", erasure_id), answer=Certificate)

    @Operation
    def print_erasure(self, erasure_id: int) -> Call[str]:
        """Get the certificate to print and file, in Vietnamese."""
        return Call(method="GET", path=place("/v1/erasures/{}/text", erasure_id), answer=str)

    @Operation
    def confirm_clock(self, *, idempotency_key: str | None = None) -> Call[ConfirmedClock]:
        """Confirm the present time after the clock leapt ahead."""
        return Call(
            method="POST", path="/v1/clock/confirm", answer=ConfirmedClock, key=idempotency_key or new_key()
        )

"""Directives: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from loa_client.api.campaigns import RunState
from loa_client.api.reports import Format
from loa_client.api.stated_figures import PaperView
from loa_client.api.verify import FigureSource
from loa_client.operation import Call, File, Iteration, Operation, new_key, place
from loa_client.values import given


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineChange:
    before: datetime | None
    after: datetime | None
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    id: int
    number: str
    issued_on: date
    issuer: str
    subject: str
    report_deadline: datetime | None
    addressees: list[str]
    legal_basis: str
    contact: str
    created_at: datetime
    created_by: str
    deadline_changes: list[DeadlineChange]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignReach:
    campaign_id: int
    name: str
    first: int
    repeated: int
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierReach:
    carrier: str
    persons: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaReach:
    code: str | None
    name: str
    persons: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    eligible: int = 0
    excluded: int = 0
    waiting: int = 0
    sent: int = 0
    delivered: int = 0
    relayed: int = 0
    failed: int = 0
    no_receipt: int = 0
    unknown: int = 0
    segments: int = 0
    switched_off: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribers:
    carrier: str
    area: str | None
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class UniqueReach:
    directive_id: int
    cutoff_ms: int
    persons: int
    by_campaign: list[CampaignReach]
    by_carrier: list[CarrierReach]
    by_area: list[AreaReach]
    subscribers: list[Subscribers] | None = None


AddresseeKind = Literal["department", "locality", "union", "press", "bank", "carrier", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    id: int | None
    directive_id: int
    name: str
    kind: AddresseeKind
    carrier: str | None = None
    email: str | None = None


OutreachChannel = Literal[
    "meeting",
    "loudspeaker",
    "print",
    "radio",
    "television",
    "website",
    "social",
    "counter",
    "notice",
    "other",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutreachItem:
    channel: OutreachChannel
    pieces: int
    reach: int | None = None
    minutes: int | None = None
    languages: str = ""
    url: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutreachView:
    addressee: str
    items: list[OutreachItem]
    paper: PaperView


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingView:
    addressee: Addressee
    report: OutreachView | None
    first_at: datetime | None
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTotal:
    channel: OutreachChannel
    units: int
    pieces: int
    reach: int | None
    minutes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddresseeStatuses:
    addressees: list[StandingView]
    channels: list[ChannelTotal]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemBody:
    channel: OutreachChannel
    pieces: int
    reach: int | None = None
    minutes: int | None = None
    languages: str = ""
    url: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDeadlineStatus:
    run_id: int
    campaign_id: int
    campaign: str
    carrier: str
    state: RunState
    basis: FigureSource | None
    stated_version: int | None
    reported_at: datetime | None
    done_at: datetime | None
    in_time: bool | None
    missing: str | None
    warnings: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    who: str
    what: str
    late: bool
    email: str | None
    run_id: int | None = None


FindingKind = Literal["empty", "name", "period", "template", "template_code", "word", "sender_in_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    campaign_id: int
    campaign: str
    carrier: str
    what: str
    lead_days: int
    asked_on: date | None
    ask_by: date | None
    expected_on: date | None
    begins_on: date | None
    late: bool
    kind: FindingKind
    sender: str


Ready = Literal["yes", "missing", "unknown", "no"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    directive_id: int
    number: str
    report_deadline: datetime | None
    seconds_left: int | None
    countdown: str
    asked: int
    reported: int
    late: int
    runs: list[RunDeadlineStatus]
    channels: list[ChannelTotal]
    missing: list[Missing]
    registrations: list[Need]
    ready: Ready | None


class DirectivesOperations:
    @Iteration
    def list_directives(self, *, after: int | None = None, limit: int | None = None) -> Call[Directive]:
        """List letters in order of creation."""
        return Call(
            method="GET", path="/v1/directives", answer=Directive, query=given(after=after, limit=limit)
        )

    @Operation
    def create_directive(
        self,
        *,
        number: str,
        issued_on: date,
        issuer: str,
        subject: str,
        report_deadline: datetime | None = None,
        addressees: list[str] | None = None,
        legal_basis: str | None = None,
        contact: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Directive]:
        """Record an official letter, under which campaigns are made."""
        return Call(
            method="POST",
            path="/v1/directives",
            answer=Directive,
            json=given(
                number=number,
                issued_on=issued_on,
                issuer=issuer,
                subject=subject,
                report_deadline=report_deadline,
                addressees=addressees,
                legal_basis=legal_basis,
                contact=contact,
            ),
            key=idempotency_key or new_key(),
        )

    @Operation
    def get_directive(self, directive_id: int) -> Call[Directive]:
        """Get one letter."""
        return Call(method="GET", path=place("/v1/directives/{}", directive_id), answer=Directive)

    @Operation
    def put_off_deadline(
        self, directive_id: int, *, report_deadline: datetime | None, reason: str
    ) -> Call[Directive]:
        """Set another report deadline."""
        return Call(
            method="PUT",
            path=place("/v1/directives/{}/deadline", directive_id),
            answer=Directive,
            json=given("report_deadline", report_deadline=report_deadline, reason=reason),
        )

    @Operation
    def directive_report(self, directive_id: int, *, format: Format | None = None) -> Call[bytes]:
        """The consolidated report."""
        return Call(
            method="GET",
            path=place("/v1/directives/{}/report", directive_id),
            answer=bytes,
            query=given(format=format),
        )

    @Operation
    def get_reach(self, directive_id: int) -> Call[UniqueReach]:
        """Persons whom the campaigns under the directive reached at least once, each counted once."""
        return Call(method="GET", path=place("/v1/directives/{}/reach", directive_id), answer=UniqueReach)

    @Operation
    def list_addressees(self, directive_id: int) -> Call[AddresseeStatuses]:
        """Who has reported, who is late, and the totals by channel."""
        return Call(
            method="GET", path=place("/v1/directives/{}/addressees", directive_id), answer=AddresseeStatuses
        )

    @Operation
    def set_addressee(
        self,
        directive_id: int,
        *,
        name: str,
        kind: AddresseeKind,
        carrier: str | None = None,
        email: str | None = None,
        if_match: str | None = None,
    ) -> Call[Addressee]:
        """Set an addressee's kind and where to remind it."""
        return Call(
            method="PUT",
            path=place("/v1/directives/{}/addressees", directive_id),
            answer=Addressee,
            json=given(name=name, kind=kind, carrier=carrier, email=email),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def list_outreach(self, directive_id: int) -> Call[list[OutreachView]]:
        """Every version of every addressee's report."""
        return Call(
            method="GET", path=place("/v1/directives/{}/reports", directive_id), answer=list[OutreachView]
        )

    @Operation
    def report_outreach(
        self,
        directive_id: int,
        *,
        addressee: str,
        items: list[ItemBody],
        number: str | None = None,
        dated_on: date | None = None,
        received_at: datetime | None = None,
        note: str | None = None,
        reason: str | None = None,
        attachment: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[OutreachView]:
        """Store an addressee's report."""
        return Call(
            method="POST",
            path=place("/v1/directives/{}/reports", directive_id),
            answer=OutreachView,
            json=given(
                number=number,
                dated_on=dated_on,
                received_at=received_at,
                note=note,
                reason=reason,
                attachment=attachment,
                addressee=addressee,
                items=items,
            ),
            key=idempotency_key or new_key(),
        )

    @Operation
    def get_report_form(self, directive_id: int) -> Call[bytes]:
        """The workbook for addressees' reports."""
        return Call(method="GET", path=place("/v1/directives/{}/report-form", directive_id), answer=bytes)

    @Operation
    def return_report_form(
        self, directive_id: int, *, file: File, idempotency_key: str | None = None
    ) -> Call[list[OutreachView]]:
        """Store a filled workbook, whole or not at all."""
        return Call(
            method="POST",
            path=place("/v1/directives/{}/report-form", directive_id),
            answer=list[OutreachView],
            form=given(),
            file=file,
            key=idempotency_key or new_key(),
        )

    @Operation
    def get_status(self, directive_id: int) -> Call[Status]:
        """Get the time left, every run against the deadline, who has reported, and what is missing from
        whom."""
        return Call(method="GET", path=place("/v1/directives/{}/status", directive_id), answer=Status)

"""Dispatch: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from loa_client.operation import Call, Iteration, Operation, new_key, place
from loa_client.values import given


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDelivery:
    campaign_id: int
    campaign: str
    run_id: int
    carrier: str
    batch_id: int
    line: int
    state: str
    reason: str | None
    sender: str
    text: str
    link: str | None
    submitted_at: datetime | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    carrier: str
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPerson:
    phone: str
    deliveries: list[FoundDelivery]
    do_not_send: list[Listed]
    campaigns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownView:
    batch: int
    line: int
    phone: str
    since: datetime
    why: str
    written_off_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    deliveries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    id: int
    name: str
    carrier: str
    state: str
    segments_per_second: float
    code: str | None
    reason: str | None
    changed_at: datetime
    health: str
    connected_since: datetime | None
    lost_since: datetime | None
    answered_at: datetime | None
    refused_at: datetime | None
    refusal: str | None
    probing: str | None
    remark: str | None
    remark_since: datetime | None
    refusing_since: datetime | None
    waiting_since: datetime | None
    processes: int
    receipt_level: str
    level_source: str | None
    level_source_on: str | None


class DispatchOperations:
    @Operation
    def download_unknown(self, run_id: int) -> Call[str]:
        """Download what is still unknown as CSV, to ask the carrier."""
        return Call(method="GET", path=place("/v1/runs/{}/unknown.csv", run_id), answer=str)

    @Operation
    def download_failed(self, run_id: int) -> Call[str]:
        """Download the run's failed messages as CSV with full numbers, as the carrier's operator."""
        return Call(method="GET", path=place("/v1/runs/{}/failed.csv", run_id), answer=str)

    @Operation
    def find_person(self, *, phone: str) -> Call[FoundPerson]:
        """Find every campaign's delivery to one exact number, masked in the answer."""
        return Call(method="POST", path="/v1/deliveries/find", answer=FoundPerson, json=given(phone=phone))

    @Iteration
    def list_unknown(
        self, run_id: int, *, after: str | None = None, limit: int | None = None
    ) -> Call[UnknownView]:
        """List the run's deliveries whose answer was lost and that no receipt has settled yet."""
        return Call(
            method="GET",
            path=place("/v1/runs/{}/unknown", run_id),
            answer=UnknownView,
            query=given(after=after, limit=limit),
        )

    @Operation
    def write_off_unknown(
        self,
        run_id: int,
        *,
        lines: list[tuple[int, int]] | None = None,
        all: bool | None = None,
        reason: str | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Decided]:
        """Leave these unknown for good, counted under their own heading."""
        return Call(
            method="POST",
            path=place("/v1/runs/{}/unknown/write-off", run_id),
            answer=Decided,
            json=given(lines=lines, all=all, reason=reason),
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def list_links(self) -> Call[list[LinkView]]:
        """List all links."""
        return Call(method="GET", path="/v1/links", answer=list[LinkView])

    @Operation
    def resume_link(self, link_id: int, *, idempotency_key: str | None = None) -> Call[None]:
        """Resume a halted link after its cause has been fixed."""
        return Call(
            method="POST",
            path=place("/v1/links/{}/resume", link_id),
            answer=None,
            key=idempotency_key or new_key(),
        )

    @Operation
    def halt_link(self, link_id: int, *, reason: str, idempotency_key: str | None = None) -> Call[None]:
        """Halt a link."""
        return Call(
            method="POST",
            path=place("/v1/links/{}/halt", link_id),
            answer=None,
            json=given(reason=reason),
            key=idempotency_key or new_key(),
        )

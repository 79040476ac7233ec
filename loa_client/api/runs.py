"""Runs: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loa_client.api.campaigns import RunState, RunSummary
from loa_client.operation import Call, Iteration, Operation, new_key, place
from loa_client.values import given


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedText:
    language: str
    text: str
    sha256: str
    segments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedArea:
    code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierOrder:
    run_id: int
    campaign_id: int
    campaign: str
    carrier: str
    directive: str | None
    report_deadline: datetime | None
    sender: str
    purpose: str
    texts: list[OrderedText]
    areas: list[OrderedArea]
    area_basis: str
    estimated: int
    window_start: datetime | None
    window_end: datetime | None
    day_starts: str
    day_ends: str
    digest: str
    approved_by: str
    approved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    run_id: int
    subscribers: int
    subscribers_left: int
    segments: int
    segments_left: int
    segments_per_second: float
    seconds: float | None
    begins_at: datetime | None
    finishes_at: datetime | None
    warnings: list[str]


class RunsOperations:
    @Iteration
    def list_runs(
        self,
        *,
        state: RunState | None = None,
        carrier: str | None = None,
        campaign_id: int | None = None,
        since: datetime | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> Call[RunSummary]:
        """List runs in order of creation, with their progress."""
        return Call(
            method="GET",
            path="/v1/runs",
            answer=RunSummary,
            query=given(
                state=state, carrier=carrier, campaign_id=campaign_id, since=since, after=after, limit=limit
            ),
        )

    @Operation
    def get_run(self, run_id: int) -> Call[RunSummary]:
        """Get one run."""
        return Call(method="GET", path=place("/v1/runs/{}", run_id), answer=RunSummary)

    @Operation
    def remove_run(self, run_id: int, *, if_match: str | None = None) -> Call[None]:
        """Remove a planned run from its campaign."""
        return Call(
            method="DELETE",
            path=place("/v1/runs/{}", run_id),
            answer=None,
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def get_order(
        self, run_id: int, *, format: Literal["json", "txt"] | None = None
    ) -> Call[CarrierOrder | str]:
        """Get the order to a carrier that sends to its own subscribers."""
        return Call(
            method="GET",
            path=place("/v1/runs/{}/order", run_id),
            answer=CarrierOrder | str,
            query=given(format=format),
        )

    @Operation
    def get_forecast(self, run_id: int) -> Call[Forecast]:
        """Forecast the time at the links' rate and the finish over open hours."""
        return Call(method="GET", path=place("/v1/runs/{}/forecast", run_id), answer=Forecast)

    @Operation
    def set_priority(self, run_id: int, *, priority: int, if_match: str | None = None) -> Call[RunSummary]:
        """Set the run's priority among others at its carrier."""
        return Call(
            method="PUT",
            path=place("/v1/runs/{}/priority", run_id),
            answer=RunSummary,
            json=given(priority=priority),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def set_rate(
        self, run_id: int, *, segments_per_second: int | None, if_match: str | None = None
    ) -> Call[RunSummary]:
        """Send the run more slowly than the carrier's links allow, from the next thousand messages on."""
        return Call(
            method="PUT",
            path=place("/v1/runs/{}/rate", run_id),
            answer=RunSummary,
            json=given("segments_per_second", segments_per_second=segments_per_second),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def start_run(
        self,
        run_id: int,
        *,
        at: datetime | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[RunSummary]:
        """Start sending what was approved."""
        return Call(
            method="POST",
            path=place("/v1/runs/{}/start", run_id),
            answer=RunSummary,
            json=given(at=at) or None,
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def end_run(
        self,
        run_id: int,
        *,
        at: datetime | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[RunSummary]:
        """Report that a carrier that sends to its own subscribers has finished."""
        return Call(
            method="POST",
            path=place("/v1/runs/{}/end", run_id),
            answer=RunSummary,
            json=given(at=at) or None,
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def pause_run(
        self, run_id: int, *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> Call[RunSummary]:
        """Pause sending."""
        return Call(
            method="POST",
            path=place("/v1/runs/{}/pause", run_id),
            answer=RunSummary,
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def resume_run(
        self, run_id: int, *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> Call[RunSummary]:
        """Continue with the next message."""
        return Call(
            method="POST",
            path=place("/v1/runs/{}/resume", run_id),
            answer=RunSummary,
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def cancel_run(
        self, run_id: int, *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> Call[RunSummary]:
        """Stop for good."""
        return Call(
            method="POST",
            path=place("/v1/runs/{}/cancel", run_id),
            answer=RunSummary,
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

"""Campaigns: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from loa_client.api.batches import BatchState
from loa_client.api.texts import Advice
from loa_client.operation import Call, Iteration, Operation, new_key, place
from loa_client.values import given

CampaignState = Literal["draft", "submitted", "approved", "rejected", "withdrawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    id: int
    directive_id: int | None
    name: str
    purpose: str
    sender: str
    text_key: str | None
    wording: str | None
    texts: dict[str, str]
    segments: dict[str, int]
    window_start: datetime | None
    window_end: datetime | None
    day_starts: str
    day_ends: str
    state: CampaignState
    version: int
    created_at: datetime
    created_by: str
    submitted_by: str | None
    budget_segments: int | None = None
    budget_of: int | None = None


TextForm = Literal["accented", "unaccented"]

Outcome = Literal[
    "undelivered", "expired", "no_receipt", "unknown", "rejected", "not_sent", "accepted", "written_off"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    decision: str
    by: str
    at: datetime
    digest: str
    reason: str | None


RunState = Literal["planned", "running", "paused", "cancelling", "sent", "finished", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCount:
    messages: int
    segments: int


Basis = Literal["dia_chi_dang_ky", "tram_phuc_vu", "khong_phan_dia_ban"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    areas: list[str]
    area_basis: Basis
    estimated: int


SuspendCause = Literal["failed", "refused", "unknown", "daily", "budget", "budget_dong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    cause: SuspendCause
    bad: int
    of: int
    reasons: dict[str, int]
    at: datetime
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCost:
    segments: int
    unknown_segments: int
    dong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    id: int
    campaign_id: int
    carrier: str
    state: RunState
    priority: int
    closing: str | None
    batch_ids: list[int]
    subscribers: int
    not_queued: int
    progress: dict[str, MessageCount]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    audience: Audience | None = None
    totals_erased: bool = False
    segments_per_second: int | None = None
    other_range: int = 0
    suspended: Suspension | None = None
    cost: SentCost | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpBatch:
    batch_id: int
    carrier: str
    state: BatchState
    subscribers: int
    digest: str | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    sources: list[int]
    outcomes: list[Outcome]
    causes: list[str]
    areas: list[str]
    ready: bool
    subscribers: int
    batches: list[FollowUpBatch]
    same_as: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetOrder:
    number: int
    campaign_id: int
    budget_segments: int | None
    reason: str
    asked_by: str
    asked_at: datetime
    approved_by: str | None = None
    open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    campaign_id: int
    segments: int
    spent_segments: int
    shared_by: list[int] = field(default_factory=list)
    orders: list[BudgetOrder] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    campaign: Campaign
    digest: str
    decisions: list[Decision]
    runs: list[RunSummary]
    advice: dict[str, list[Advice]]
    follow_up: FollowUp | None = None
    budget: BudgetStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreachedView:
    carrier: str
    outcome: Outcome
    reason: str | None
    code: str | None
    messages: int
    subscribers: int
    usual: bool
    cause: str


class CampaignsOperations:
    @Iteration
    def list_campaigns(
        self,
        *,
        state: CampaignState | None = None,
        carrier: str | None = None,
        directive_id: int | None = None,
        since: datetime | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> Call[Campaign]:
        """List campaigns in order of creation."""
        return Call(
            method="GET",
            path="/v1/campaigns",
            answer=Campaign,
            query=given(
                state=state, carrier=carrier, directive_id=directive_id, since=since, after=after, limit=limit
            ),
        )

    @Operation
    def create_campaign(
        self,
        *,
        name: str,
        purpose: Literal["tuyen_truyen", "canh_bao_khan"],
        sender: str,
        form: TextForm | None = None,
        text_key: str | None = None,
        text: str | None = None,
        directive_id: int | None = None,
        window_start: datetime | None = None,
        window_end: datetime | None = None,
        day_starts: str | None = None,
        day_ends: str | None = None,
        budget_segments: int | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Campaign]:
        """Create a campaign as a draft."""
        return Call(
            method="POST",
            path="/v1/campaigns",
            answer=Campaign,
            json=given(
                name=name,
                purpose=purpose,
                sender=sender,
                form=form,
                text_key=text_key,
                text=text,
                directive_id=directive_id,
                window_start=window_start,
                window_end=window_end,
                day_starts=day_starts,
                day_ends=day_ends,
                budget_segments=budget_segments,
            ),
            key=idempotency_key or new_key(),
        )

    @Operation
    def follow_up(
        self,
        *,
        campaign_ids: list[int],
        outcomes: list[Outcome] | None = None,
        causes: list[str] | None = None,
        carriers: list[str] | None = None,
        second_copies: int | None = None,
        areas: list[str] | None = None,
        name: str | None = None,
        sender: str | None = None,
        form: TextForm | None = None,
        text_key: str | None = None,
        text: str | None = None,
        window_start: datetime | None = None,
        window_end: datetime | None = None,
        day_starts: str | None = None,
        day_ends: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Dossier]:
        """Create a draft for people whom these campaigns did not reach, with one run per carrier."""
        return Call(
            method="POST",
            path="/v1/campaigns/follow-ups",
            answer=Dossier,
            json=given(
                campaign_ids=campaign_ids,
                outcomes=outcomes,
                causes=causes,
                carriers=carriers,
                second_copies=second_copies,
                areas=areas,
                name=name,
                sender=sender,
                form=form,
                text_key=text_key,
                text=text,
                window_start=window_start,
                window_end=window_end,
                day_starts=day_starts,
                day_ends=day_ends,
            ),
            key=idempotency_key or new_key(),
        )

    @Operation
    def list_unreached(self, campaign_id: int) -> Call[list[UnreachedView]]:
        """Count whom the campaign is not proved to have reached, by carrier, outcome, reason and code."""
        return Call(
            method="GET", path=place("/v1/campaigns/{}/unreached", campaign_id), answer=list[UnreachedView]
        )

    @Operation
    def get_campaign(self, campaign_id: int) -> Call[Dossier]:
        """Get a campaign with its runs, its decisions, and the digest that an approval signs."""
        return Call(method="GET", path=place("/v1/campaigns/{}", campaign_id), answer=Dossier)

    @Operation
    def edit_campaign(
        self,
        campaign_id: int,
        *,
        name: str,
        purpose: Literal["tuyen_truyen", "canh_bao_khan"],
        sender: str,
        form: TextForm | None = None,
        text_key: str | None = None,
        text: str | None = None,
        directive_id: int | None = None,
        window_start: datetime | None = None,
        window_end: datetime | None = None,
        day_starts: str | None = None,
        day_ends: str | None = None,
        budget_segments: int | None = None,
        if_match: str | None = None,
    ) -> Call[Dossier]:
        """Replace the content."""
        return Call(
            method="PUT",
            path=place("/v1/campaigns/{}", campaign_id),
            answer=Dossier,
            json=given(
                name=name,
                purpose=purpose,
                sender=sender,
                form=form,
                text_key=text_key,
                text=text,
                directive_id=directive_id,
                window_start=window_start,
                window_end=window_end,
                day_starts=day_starts,
                day_ends=day_ends,
                budget_segments=budget_segments,
            ),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def submit_campaign(
        self, campaign_id: int, *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> Call[Dossier]:
        """Submit the draft for approval."""
        return Call(
            method="POST",
            path=place("/v1/campaigns/{}/submit", campaign_id),
            answer=Dossier,
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def withdraw_campaign(
        self, campaign_id: int, *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> Call[Dossier]:
        """Withdraw a campaign before anything is sent."""
        return Call(
            method="POST",
            path=place("/v1/campaigns/{}/withdraw", campaign_id),
            answer=Dossier,
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def approve_campaign(
        self,
        campaign_id: int,
        *,
        digest: str,
        reason: str | None = None,
        acknowledged: bool | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Dossier]:
        """Approve exactly what was submitted."""
        return Call(
            method="POST",
            path=place("/v1/campaigns/{}/approve", campaign_id),
            answer=Dossier,
            json=given(digest=digest, reason=reason, acknowledged=acknowledged),
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def reject_campaign(
        self,
        campaign_id: int,
        *,
        reason: str,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Dossier]:
        """Reject the submitted campaign."""
        return Call(
            method="POST",
            path=place("/v1/campaigns/{}/reject", campaign_id),
            answer=Dossier,
            json=given(reason=reason),
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def return_campaign(
        self,
        campaign_id: int,
        *,
        reason: str,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Dossier]:
        """Return the submitted campaign to its author as a draft."""
        return Call(
            method="POST",
            path=place("/v1/campaigns/{}/return", campaign_id),
            answer=Dossier,
            json=given(reason=reason),
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def add_run(
        self,
        campaign_id: int,
        *,
        carrier: str,
        batch_ids: list[int],
        acknowledged: bool | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[RunSummary]:
        """Add the campaign's run at one carrier."""
        return Call(
            method="POST",
            path=place("/v1/campaigns/{}/runs", campaign_id),
            answer=RunSummary,
            json=given(carrier=carrier, batch_ids=batch_ids, acknowledged=acknowledged),
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def add_held_run(
        self,
        campaign_id: int,
        *,
        carrier: str,
        area_basis: Basis,
        estimated: int,
        areas: list[str] | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[RunSummary]:
        """Add the run at a carrier that sends to its own subscribers."""
        return Call(
            method="POST",
            path=place("/v1/campaigns/{}/held-runs", campaign_id),
            answer=RunSummary,
            json=given(carrier=carrier, areas=areas, area_basis=area_basis, estimated=estimated),
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def ask_budget(
        self,
        campaign_id: int,
        *,
        budget_segments: int,
        reason: str,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[BudgetOrder]:
        """Request a new budget for an approved campaign."""
        return Call(
            method="POST",
            path=place("/v1/campaigns/{}/budget", campaign_id),
            answer=BudgetOrder,
            json=given(budget_segments=budget_segments, reason=reason),
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def approve_budget(
        self,
        campaign_id: int,
        order_id: int,
        *,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[BudgetOrder]:
        """Approve another person's request."""
        return Call(
            method="POST",
            path=place("/v1/campaigns/{}/budget/{}/approve", campaign_id, order_id),
            answer=BudgetOrder,
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

"""Plans: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loa_client.api.campaigns import CampaignState, Outcome, RunState, TextForm
from loa_client.operation import Call, Iteration, Operation, new_key, place
from loa_client.values import given


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    id: int
    name: str
    directive_id: int
    directive: str
    rounds: int
    campaigns: int


Phase = Literal["before", "during", "after"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundBody:
    phase: Phase
    window_start: datetime
    window_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRound:
    nth: int
    phase: Phase
    window_start: datetime
    window_end: datetime
    campaign_id: int | None = None
    campaign: str | None = None
    state: CampaignState | None = None
    runs: dict[str, RunState] | None = None
    subscribers: int = 0
    outside: bool = False
    follows_up: list[int] | None = None
    first: int | None = 0
    repeated: int | None = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    id: int
    name: str
    directive_id: int
    directive: str
    created_at: datetime
    created_by: str
    persons: int | None
    rounds: list[PlanRound]


class PlansOperations:
    @Iteration
    def list_plans(self, *, after: int | None = None, limit: int | None = None) -> Call[PlanLine]:
        """List plans in order of creation."""
        return Call(method="GET", path="/v1/plans", answer=PlanLine, query=given(after=after, limit=limit))

    @Operation
    def create_plan(
        self, *, name: str, directive_id: int, rounds: list[RoundBody], idempotency_key: str | None = None
    ) -> Call[Plan]:
        """Create a plan whose rounds have no campaigns yet."""
        return Call(
            method="POST",
            path="/v1/plans",
            answer=Plan,
            json=given(name=name, directive_id=directive_id, rounds=rounds),
            key=idempotency_key or new_key(),
        )

    @Operation
    def get_plan(self, plan_id: int) -> Call[Plan]:
        """Get a plan."""
        return Call(method="GET", path=place("/v1/plans/{}", plan_id), answer=Plan)

    @Operation
    def set_round(self, plan_id: int, nth: int, *, campaign_id: int | None) -> Call[Plan]:
        """Make a campaign under the plan's directive this round."""
        return Call(
            method="PUT",
            path=place("/v1/plans/{}/rounds/{}", plan_id, nth),
            answer=Plan,
            json=given("campaign_id", campaign_id=campaign_id),
        )

    @Operation
    def follow_up_round(
        self,
        plan_id: int,
        nth: int,
        *,
        outcomes: list[Outcome] | None = None,
        areas: list[str] | None = None,
        name: str | None = None,
        sender: str | None = None,
        form: TextForm | None = None,
        text_key: str | None = None,
        text: str | None = None,
        day_starts: str | None = None,
        day_ends: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Plan]:
        """Make the round a draft to those whom the rounds before it did not reach, within the round's
        window."""
        return Call(
            method="POST",
            path=place("/v1/plans/{}/rounds/{}/follow-up", plan_id, nth),
            answer=Plan,
            json=given(
                outcomes=outcomes,
                areas=areas,
                name=name,
                sender=sender,
                form=form,
                text_key=text_key,
                text=text,
                day_starts=day_starts,
                day_ends=day_ends,
            ),
            key=idempotency_key or new_key(),
        )

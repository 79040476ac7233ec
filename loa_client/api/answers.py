"""Answers: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from loa_client.api.campaigns import AnswerKind, CampaignState, TextForm
from loa_client.operation import Call, Iteration, Operation, new_key
from loa_client.values import given


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerText:
    id: int
    answers_to: AnswerKind
    state: CampaignState
    in_use: bool
    sender: str
    text: str
    segments: int
    created_at: datetime
    created_by: str
    answered: int
    unanswered: dict[str, int]


class AnswersOperations:
    @Iteration
    def list_answers(self, *, after: int | None = None, limit: int | None = None) -> Call[AnswerText]:
        """List answer texts in order of creation, with what became of the messages of their kind."""
        return Call(
            method="GET", path="/v1/answers", answer=AnswerText, query=given(after=after, limit=limit)
        )

    @Operation
    def create_answer(
        self,
        *,
        answers_to: AnswerKind,
        sender: str,
        text: str | None = None,
        text_key: str | None = None,
        form: TextForm | None = None,
        day_starts: str | None = None,
        day_ends: str | None = None,
        budget_segments: int | None = None,
        idempotency_key: str | None = None,
    ) -> Call[AnswerText]:
        """Enter an answer text as a draft."""
        return Call(
            method="POST",
            path="/v1/answers",
            answer=AnswerText,
            json=given(
                answers_to=answers_to,
                sender=sender,
                text=text,
                text_key=text_key,
                form=form,
                day_starts=day_starts,
                day_ends=day_ends,
                budget_segments=budget_segments,
            ),
            key=idempotency_key or new_key(),
        )

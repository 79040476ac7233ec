"""Deadline: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loa_client.operation import Call, Iteration, Operation, new_key, place
from loa_client.values import given

NoticeState = Literal["waiting", "sent", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    id: int
    kind: str
    channel: str
    target: str
    state: NoticeState
    tries: int
    error: str | None
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    notices: int


class DeadlineOperations:
    @Iteration
    def list_notices(
        self, *, state: NoticeState | None = None, after: int | None = None, limit: int | None = None
    ) -> Call[NoticeView]:
        """List reminders and events by e-mail and webhook."""
        return Call(
            method="GET",
            path="/v1/notices",
            answer=NoticeView,
            query=given(state=state, after=after, limit=limit),
        )

    @Operation
    def replay_failed_notices(self, *, target: str, idempotency_key: str | None = None) -> Call[Replayed]:
        """Send all failed notices to one receiver once more, such as after its address was corrected."""
        return Call(
            method="POST",
            path="/v1/notices/replay",
            answer=Replayed,
            json=given(target=target),
            key=idempotency_key or new_key(),
        )

    @Operation
    def replay_notice(self, notice_id: int, *, idempotency_key: str | None = None) -> Call[dict[str, int]]:
        """Send a notice once more, under the same webhook-id, so that the receiver recognises it."""
        return Call(
            method="POST",
            path=place("/v1/notices/{}/replay", notice_id),
            answer=dict[str, int],
            key=idempotency_key or new_key(),
        )

    @Operation
    def get_order_paper(self, run_id: int, *, format: Literal["docx", "pdf"] | None = None) -> Call[bytes]:
        """Get the order to a carrier that sends to its own subscribers, as a document to edit (docx) or
        read."""
        return Call(
            method="GET",
            path=place("/v1/runs/{}/order/paper", run_id),
            answer=bytes,
            query=given(format=format),
        )

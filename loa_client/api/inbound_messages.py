"""Inbound messages: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from loa_client.operation import Call, Iteration
from loa_client.values import given


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePart:
    reference: int
    number: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessageView:
    id: int
    received_at: datetime
    link: str
    carrier: str
    phone: str
    destination: str
    text: str
    data_coding: int
    exact: bool
    part: MessagePart | None
    repeat_of: int | None


class InboundMessagesOperations:
    @Iteration
    def list_inbound_messages(
        self, *, carrier: str | None = None, after: int | None = None, limit: int | None = None
    ) -> Call[InboundMessageView]:
        """List what was sent to us over the links, numbers masked."""
        return Call(
            method="GET",
            path="/v1/inbound-messages",
            answer=InboundMessageView,
            query=given(carrier=carrier, after=after, limit=limit),
        )

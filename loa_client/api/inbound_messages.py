"""Inbound messages: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loa_client.operation import Call, Iteration, Operation
from loa_client.values import given

ReplyKind = Literal["opt_out", "report", "check", "other"]


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
    kind: ReplyKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScamReportCount:
    day: str
    area: str | None
    area_name: str | None
    form: str
    reports: int


class InboundMessagesOperations:
    @Iteration
    def list_inbound_messages(
        self,
        *,
        carrier: str | None = None,
        kind: ReplyKind | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> Call[InboundMessageView]:
        """List what was sent to us over the links, numbers masked."""
        return Call(
            method="GET",
            path="/v1/inbound-messages",
            answer=InboundMessageView,
            query=given(carrier=carrier, kind=kind, after=after, limit=limit),
        )

    @Operation
    def count_scam_reports(self) -> Call[list[ScamReportCount]]:
        """Count the scams that citizens have reported (LD, S or V with number and content), by day and
        area."""
        return Call(method="GET", path="/v1/inbound-messages/scam-reports", answer=list[ScamReportCount])

    @Operation
    def download_scam_reports(self) -> Call[str]:
        """Download the reports as CSV with whole numbers, for those who investigate."""
        return Call(method="GET", path="/v1/inbound-messages/scam-reports.csv", answer=str)

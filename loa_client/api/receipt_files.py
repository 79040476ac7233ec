"""Receipt files: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loa_client.api.batches import BatchState
from loa_client.operation import Call, File, Iteration, Operation, new_key, place
from loa_client.values import given


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCounts:
    agreed: int
    settled: int
    says_delivered: int
    says_undelivered: int
    open: int
    repeated: int
    unsent: int
    unknown: int
    ambiguous: int
    bad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMessages:
    run_id: int
    campaign_id: int
    sent: int
    rejected: int
    named: int
    missing: int
    later: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptFile:
    id: int
    carrier: str
    campaign_id: int | None
    level: str | None
    name: str
    sha256: str
    state: BatchState
    percent: int
    lines: int
    reconciliation: LineCounts
    runs: list[RunMessages]
    first_at: datetime | None
    last_at: datetime | None
    error: str | None
    created_at: datetime
    created_by: str
    ended_at: datetime | None


ResultVerdict = Literal[
    "bad",
    "repeated",
    "agreed",
    "settled",
    "says_delivered",
    "says_undelivered",
    "open",
    "unsent",
    "unknown",
    "ambiguous",
    "missing",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultLineView:
    line: int | None
    phone: str | None
    status: str | None
    reason: str | None
    said: str
    code: str | None
    at: datetime | None
    verdict: str | None
    why: str | None
    verdict_en: str
    verdict_vi: str
    campaign_id: int | None


class ReceiptFilesOperations:
    @Iteration
    def list_receipt_files(
        self,
        *,
        carrier: str | None = None,
        state: BatchState | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> Call[ReceiptFile]:
        """List result files in order of arrival."""
        return Call(
            method="GET",
            path="/v1/receipt-files",
            answer=ReceiptFile,
            query=given(carrier=carrier, state=state, after=after, limit=limit),
        )

    @Operation
    def upload_receipt_file(
        self,
        *,
        file: File,
        carrier: str | None = None,
        campaign: int | None = None,
        level: Literal["operator", "handset"] | None = None,
        name: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[ReceiptFile]:
        """Upload a carrier's result file."""
        return Call(
            method="POST",
            path="/v1/receipt-files",
            answer=ReceiptFile,
            form=given(carrier=carrier, campaign=campaign, level=level, name=name),
            file=file,
            key=idempotency_key or new_key(),
        )

    @Operation
    def get_receipt_file(self, file_id: int) -> Call[ReceiptFile]:
        """Get one file with its reconciliation."""
        return Call(method="GET", path=place("/v1/receipt-files/{}", file_id), answer=ReceiptFile)

    @Iteration
    def list_receipt_lines(
        self,
        file_id: int,
        *,
        verdict: ResultVerdict | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> Call[ResultLineView]:
        """List its lines with what became of each, numbers masked."""
        return Call(
            method="GET",
            path=place("/v1/receipt-files/{}/lines", file_id),
            answer=ResultLineView,
            query=given(verdict=verdict, after=after, limit=limit),
        )

    @Operation
    def download_reconciliation(self, file_id: int) -> Call[str]:
        """Download the counts as CSV for Excel."""
        return Call(method="GET", path=place("/v1/receipt-files/{}/reconciliation.csv", file_id), answer=str)

    @Operation
    def download_receipt_lines(self, file_id: int, *, verdict: ResultVerdict | None = None) -> Call[str]:
        """Download lines as CSV for Excel, then messages without one."""
        return Call(
            method="GET",
            path=place("/v1/receipt-files/{}/lines.csv", file_id),
            answer=str,
            query=given(verdict=verdict),
        )

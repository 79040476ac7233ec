"""Batches: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loa_client.operation import Call, File, Iteration, Operation, new_key, place
from loa_client.values import given

BatchState = Literal["importing", "ready", "failed", "erased"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    id: int
    carrier: str
    name: str
    sha256: str
    state: BatchState
    percent: int
    lines: int
    accepted: int
    rejected: int
    repeated: int
    other_range: int
    bytes: int
    bytes_read: int
    error: str | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    line: int
    reason: str
    reason_en: str
    reason_vi: str
    value: str


class BatchesOperations:
    @Iteration
    def list_batches(
        self,
        *,
        carrier: str | None = None,
        state: BatchState | None = None,
        since: datetime | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> Call[Batch]:
        """List batches in order of arrival."""
        return Call(
            method="GET",
            path="/v1/batches",
            answer=Batch,
            query=given(carrier=carrier, state=state, since=since, after=after, limit=limit),
        )

    @Operation
    def upload_batch(
        self, *, file: File, carrier: str, name: str | None = None, idempotency_key: str | None = None
    ) -> Call[Batch]:
        """Upload a file."""
        return Call(
            method="POST",
            path="/v1/batches",
            answer=Batch,
            form=given(carrier=carrier, name=name),
            file=file,
            key=idempotency_key or new_key(),
        )

    @Operation
    def get_batch(self, batch_id: int) -> Call[Batch]:
        """Get one batch."""
        return Call(method="GET", path=place("/v1/batches/{}", batch_id), answer=Batch)

    @Operation
    def discard_batch(self, batch_id: int) -> Call[None]:
        """Discard a failed batch."""
        return Call(method="DELETE", path=place("/v1/batches/{}", batch_id), answer=None)

    @Operation
    def rename_batch(self, batch_id: int, *, name: str) -> Call[Batch]:
        """Rename a batch."""
        return Call(
            method="PUT", path=place("/v1/batches/{}/name", batch_id), answer=Batch, json=given(name=name)
        )

    @Iteration
    def list_bad_lines(
        self, batch_id: int, *, after: int | None = None, limit: int | None = None
    ) -> Call[BadLine]:
        """List lines that gave no subscriber, in the order of the file."""
        return Call(
            method="GET",
            path=place("/v1/batches/{}/bad-lines", batch_id),
            answer=BadLine,
            query=given(after=after, limit=limit),
        )

    @Operation
    def download_bad_lines(self, batch_id: int) -> Call[str]:
        """Download all bad lines as CSV for Excel."""
        return Call(method="GET", path=place("/v1/batches/{}/bad-lines.csv", batch_id), answer=str)

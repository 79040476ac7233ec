"""Audit: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from loa_client.operation import Call, Iteration, Operation
from loa_client.values import given


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    id: int
    at: datetime
    who: str
    origin: str
    action: str
    subject: str
    detail: dict[str, Any]
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    rows: int
    head: str
    fault: str | None = None
    erased: int = 0
    certificate: int | None = None
    sealed: bool = False
    compared: int = 0


class AuditOperations:
    @Iteration
    def list_acts(self, *, after: int | None = None, limit: int | None = None) -> Call[Act]:
        """List what people did, in order."""
        return Call(method="GET", path="/v1/audit", answer=Act, query=given(after=after, limit=limit))

    @Operation
    def verify_audit(self) -> Call[Chain]:
        """Recompute the whole chain."""
        return Call(method="GET", path="/v1/audit/verification", answer=Chain)

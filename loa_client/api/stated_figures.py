"""Stated figures: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from loa_client.operation import Call, File, Operation, new_key, place
from loa_client.values import given


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedCounts:
    eligible: int
    excluded: int
    sent: int
    received: int | None = None
    failed: int | None = None
    no_receipt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    key: str
    label: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaCounts:
    code: str | None
    name: str
    counts: StatedCounts
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounts:
    day: str
    hours: str
    batches: int | None
    sent: int
    received: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseCounts:
    key: str
    label: str
    n: int
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedFigures:
    general: StatedCounts
    segments: int | None = None
    resent: int | None = None
    excluded: list[Cause] = field(default_factory=list)
    areas: list[AreaCounts] = field(default_factory=list)
    days: list[DayCounts] = field(default_factory=list)
    reasons: list[CauseCounts] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    sha256: str
    name: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitalSignature:
    kid: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperView:
    version: int
    reason: str | None
    source: str
    number: str | None
    dated_on: str | None
    received_at: datetime
    note: str | None
    attachment: Attachment | None
    at: datetime
    by: str
    signature: DigitalSignature | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementView:
    run_id: int
    carrier: str
    kind: str
    level: str
    figures: StatedFigures
    began_at: datetime | None
    ended_at: datetime | None
    cutoff_at: datetime
    paper: PaperView
    warnings: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralBody:
    eligible: int
    excluded: int | None = None
    sent: int
    received: int | None = None
    failed: int | None = None
    no_receipt: int | None = None
    segments: int | None = None
    resent: int | None = None
    causes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaBody:
    eligible: int
    excluded: int | None = None
    sent: int
    received: int | None = None
    failed: int | None = None
    no_receipt: int | None = None
    code: str | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBody:
    day: date
    hours: str = ""
    batches: int | None = None
    sent: int
    received: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseBody:
    key: str
    n: int
    remedy: str = ""


class StatedFiguresOperations:
    @Operation
    def get_attachment(self, sha256: str) -> Call[bytes]:
        """An attachment as uploaded."""
        return Call(method="GET", path=place("/v1/attachments/{}", sha256), answer=bytes)

    @Operation
    def list_statements(self, run_id: int) -> Call[list[StatementView]]:
        """Every statement on the run, oldest first."""
        return Call(method="GET", path=place("/v1/runs/{}/statements", run_id), answer=list[StatementView])

    @Operation
    def state_figures(
        self,
        run_id: int,
        *,
        level: Literal["none", "operator", "handset"],
        cutoff_at: datetime,
        general: GeneralBody,
        number: str | None = None,
        dated_on: date | None = None,
        received_at: datetime | None = None,
        note: str | None = None,
        reason: str | None = None,
        attachment: str | None = None,
        kind: Literal["stated", "manual"] | None = None,
        began_at: datetime | None = None,
        ended_at: datetime | None = None,
        areas: list[AreaBody] | None = None,
        days: list[DayBody] | None = None,
        reasons: list[CauseBody] | None = None,
        version: int | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[StatementView]:
        """State a run's figures."""
        return Call(
            method="POST",
            path=place("/v1/runs/{}/statements", run_id),
            answer=StatementView,
            json=given(
                number=number,
                dated_on=dated_on,
                received_at=received_at,
                note=note,
                reason=reason,
                attachment=attachment,
                kind=kind,
                level=level,
                began_at=began_at,
                ended_at=ended_at,
                cutoff_at=cutoff_at,
                general=general,
                areas=areas,
                days=days,
                reasons=reasons,
                version=version,
            ),
            key=idempotency_key or new_key(),
            headers=given(**{"If-Match": if_match}),
        )

    @Operation
    def get_statement_form(self, run_id: int) -> Call[bytes]:
        """The workbook in which a carrier states its figures."""
        return Call(method="GET", path=place("/v1/runs/{}/statement-form", run_id), answer=bytes)

    @Operation
    def return_statement_form(
        self,
        run_id: int,
        *,
        file: File,
        kind: Literal["stated", "manual"] | None = None,
        attachment: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[StatementView]:
        """Store a filled workbook."""
        return Call(
            method="POST",
            path=place("/v1/runs/{}/statement-form", run_id),
            answer=StatementView,
            form=given(kind=kind, attachment=attachment),
            file=file,
            key=idempotency_key or new_key(),
        )

    @Operation
    def keep_attachment(self, *, file: File, idempotency_key: str | None = None) -> Call[Attachment]:
        """Upload a scan (PDF, PNG, JPEG)."""
        return Call(
            method="POST",
            path="/v1/attachments",
            answer=Attachment,
            form=given(),
            file=file,
            key=idempotency_key or new_key(),
        )

"""Verify: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from loa_client.api.reports import SubjectKind
from loa_client.operation import Call, Operation
from loa_client.values import given

FigureSource = Literal["measured", "stated", "manual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenTotals:
    carrier: str
    source: FigureSource | None
    receipt_level: str | None
    figures: dict[str, int | None]
    spoken: bool = False
    handset_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewerVersion:
    version: int
    cut_off_at: datetime
    number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedReport:
    subject: SubjectKind
    directive: str | None
    version: int
    cut_off_at: datetime
    frozen_at: datetime
    interim: bool
    number: str | None
    dated_on: date | None
    sha256: str
    carriers: list[FrozenTotals]
    newer: NewerVersion | None


TextVerdict = Literal["genuine", "withdrawn", "incomplete", "altered", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextUse:
    first_day: date
    sender: str
    last_day: date | None
    withdrawn: bool = False


WordChange = Literal["same", "added", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPart:
    change: WordChange
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationAnswer:
    verdict: TextVerdict
    uses: list[TextUse]
    parts: list[TextPart]
    advice: str
    link_or_number: bool


class VerifyOperations:
    @Operation
    def verify_report(self, *, code: str) -> Call[PrintedReport]:
        """Show the frozen figures behind the code on a report's last page."""
        return Call(method="GET", path="/v1/verify/reports", answer=PrintedReport, query=given(code=code))

    @Operation
    def verify_text(self, *, text: str) -> Call[VerificationAnswer]:
        """Check whether a text is, word for word, one that was sent."""
        return Call(method="POST", path="/v1/verify", answer=VerificationAnswer, json=given(text=text))

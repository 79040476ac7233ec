"""Reports: made from openapi.json by `make client`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from loa_client.operation import Call, File, Iteration, Operation, new_key, place
from loa_client.values import given

Format = Literal["json", "csv", "xlsx", "text", "docx", "pdf", "summary"]

Sign = Literal[
    "all_delivered",
    "none_delivered",
    "even_delay",
    "early",
    "switched_off",
    "level_changed",
    "size_changed",
    "none_failed",
    "panel_refutes",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FraudSignal:
    sign: Sign
    messages: int
    of: int
    detail: str


SubjectKind = Literal["run", "directive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureChange:
    where: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    format: str
    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportIssue:
    number: str
    dated_on: date
    signer: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    id: int
    subject: SubjectKind
    subject_id: int
    carrier: str | None
    version: int
    cut_off_at: datetime
    interim: bool
    sha256: str
    changes: list[FigureChange]
    files: list[ArchivedFile]
    created_at: datetime
    created_by: str
    issued: ReportIssue | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSignature:
    signer: str
    organisation: str
    issuer: str
    signed_at: datetime | None
    timestamped_at: datetime | None
    intact: bool
    whole: bool
    later: str
    chain: str
    good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPaper:
    sha256: str
    name: str
    size: int
    at: datetime
    by: str
    checked_at: datetime
    paper: str | None
    same_pages: bool
    signatures: list[PaperSignature]
    good: bool
    sentences: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    report_id: int
    sentences: list[str]
    note: str | None = None


class ReportsOperations:
    @Operation
    def run_report(self, run_id: int, *, format: Format | None = None) -> Call[bytes]:
        """The result report of one carrier's run, forms 1 to 4."""
        return Call(
            method="GET", path=place("/v1/runs/{}/report", run_id), answer=bytes, query=given(format=format)
        )

    @Operation
    def list_doubts(self, run_id: int) -> Call[list[FraudSignal]]:
        """Signs that the run's receipts were fabricated, such as identical delays."""
        return Call(method="GET", path=place("/v1/runs/{}/doubts", run_id), answer=list[FraudSignal])

    @Operation
    def batch_report(self, batch_id: int, *, campaign: int, format: Format | None = None) -> Call[bytes]:
        """The result report of one batch in one campaign."""
        return Call(
            method="GET",
            path=place("/v1/batches/{}/report", batch_id),
            answer=bytes,
            query=given(campaign=campaign, format=format),
        )

    @Operation
    def campaign_report(self, campaign_id: int, *, format: Format | None = None) -> Call[bytes]:
        """The runs of a campaign side by side (form 7), then each."""
        return Call(
            method="GET",
            path=place("/v1/campaigns/{}/report", campaign_id),
            answer=bytes,
            query=given(format=format),
        )

    @Iteration
    def list_reports(
        self,
        *,
        run_id: int | None = None,
        directive_id: int | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> Call[Frozen]:
        """Frozen reports, oldest first."""
        return Call(
            method="GET",
            path="/v1/reports",
            answer=Frozen,
            query=given(run_id=run_id, directive_id=directive_id, after=after, limit=limit),
        )

    @Operation
    def freeze_report(
        self,
        *,
        run_id: int | None = None,
        directive_id: int | None = None,
        cut_off_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Frozen]:
        """Freeze."""
        return Call(
            method="POST",
            path="/v1/reports",
            answer=Frozen,
            json=given(run_id=run_id, directive_id=directive_id, cut_off_at=cut_off_at),
            key=idempotency_key or new_key(),
        )

    @Operation
    def get_report(self, report_id: int) -> Call[Frozen]:
        """One version."""
        return Call(method="GET", path=place("/v1/reports/{}", report_id), answer=Frozen)

    @Operation
    def issue_report(
        self,
        report_id: int,
        *,
        number: str,
        dated_on: date,
        signer: str,
        difficulties: str | None = None,
        proposals: str | None = None,
        strengths: str | None = None,
        shortcomings: str | None = None,
        compare_with: int | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Frozen]:
        """Write the papers with number, day, signer and remarks, without the draft's mark."""
        return Call(
            method="POST",
            path=place("/v1/reports/{}/issue", report_id),
            answer=Frozen,
            json=given(
                number=number,
                dated_on=dated_on,
                signer=signer,
                difficulties=difficulties,
                proposals=proposals,
                strengths=strengths,
                shortcomings=shortcomings,
                compare_with=compare_with,
            ),
            key=idempotency_key or new_key(),
        )

    @Operation
    def get_report_file(self, report_id: int, form: str) -> Call[bytes]:
        """A file as frozen (docx, pdf, xlsx, csv, json, summary, meta) or issued (issued-pdf)."""
        return Call(method="GET", path=place("/v1/reports/{}/files/{}", report_id, form), answer=bytes)

    @Operation
    def list_signed_papers(self, report_id: int) -> Call[list[SignedPaper]]:
        """Signed PDFs of this version, oldest first, and what was found when each was last checked."""
        return Call(method="GET", path=place("/v1/reports/{}/signed", report_id), answer=list[SignedPaper])

    @Operation
    def keep_signed_paper(
        self, report_id: int, *, file: File, idempotency_key: str | None = None
    ) -> Call[SignedPaper]:
        """Keep a signed PDF that came back."""
        return Call(
            method="POST",
            path=place("/v1/reports/{}/signed", report_id),
            answer=SignedPaper,
            form=given(),
            file=file,
            key=idempotency_key or new_key(),
        )

    @Operation
    def get_signed_paper(self, report_id: int, sha256: str) -> Call[bytes]:
        """A signed PDF byte for byte."""
        return Call(method="GET", path=place("/v1/reports/{}/signed/{}", report_id, sha256), answer=bytes)

    @Operation
    def prove_report(self, report_id: int) -> Call[Proof]:
        """Rebuild the report from the ledger for its cut-off."""
        return Call(method="GET", path=place("/v1/reports/{}/proof", report_id), answer=Proof)

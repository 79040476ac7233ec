"""Routes of reports: as they stand now, as data or document; and frozen, with versions, files and proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import TypeAdapter
from sqlalchemy import Connection, select

from app.api import uploads
from app.api.dependencies import Config, Db, Id, LedgerDep, Page, Paging, Routes, Who, page_of
from app.api.idempotency_store import IdempotencyClaim, StoredAnswer, find, once
from app.api.idempotent_route import get_claim, respond
from app.api.rate_limit import admit_stranger
from app.api.uploads import Taking, file_body, sent
from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict, Invalid, NotFound, no_such
from app.core.ids import LARGEST, Exact, Number
from app.database.connection import shared_ms
from app.database.models import runs
from app.file_import.spool import folder_of
from app.reports.counting import carrier_report, clock_check, consolidated, scope, unique_reach
from app.reports.counting.fraud_signals import FraudSignal, doubts
from app.reports.counting.unique_reach import UniqueReach
from app.reports.export.formats import MEDIA_TYPES, Format, Report, file_name, render
from app.reports.figures.figures import CarrierReport
from app.reports.forms import letterhead
from app.reports.forms.carrier_tables import OfRun
from app.reports.frozen import archive, freeze_record, printed_code, signed_papers
from app.reports.frozen.archive import Frozen, ReportSubject, SubjectKind
from app.reports.frozen.freeze_record import ISSUED
from app.reports.frozen.printed_code import PrintedReport
from app.reports.frozen.signed_papers import SignedPaper, SignedPapers
from app.reports.release import freeze, issue, verify_archive
from app.reports.release.freeze import SIDECAR, Freezer, freezer_of
from app.reports.release.verify_archive import Proof
from app.reports.schemas import FreezeBody, IssueBody
from app.security import Caller, tenant_scope

present = Routes(tags=["reports"])
router = Routes(prefix="/v1/reports", tags=["reports"])
public = Routes(tags=["verify"])

# ---- As they stand now

Wanted = Annotated[
    Format,
    Query(
        alias="format",
        description="json, csv, xlsx, text; docx or pdf: the paper's preview; summary: a directive's page",
    ),
]
InCampaign = Annotated[int, Query(ge=1, le=LARGEST, description="in which campaign", examples=[1]), Exact]
_COUNTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The report, counted at this moment; its cut-off time is in it.",
        "content": {MEDIA_TYPES[form]: {} for form in Format},
    }
}
_OPTIONS: dict[str, Any] = {"response_class": Response, "responses": _COUNTED}


@present.get("/v1/runs/{run_id}/report", **_OPTIONS)
def run_report(db: Db, settings: Config, who: Who, run_id: Id, form: Wanted = Format.JSON) -> Response:
    """The result report of one carrier's run, forms 1 to 4: measured, or stated by the carrier."""
    report = db.read(_run, who, run_id)
    return _file(report, form, f"run-{run_id}", settings)


@present.get("/v1/runs/{run_id}/doubts")
def list_doubts(db: Db, settings: Config, who: Who, run_id: Id) -> list[FraudSignal]:
    """Signs that the run's receipts were fabricated, such as identical delays; none is proof."""
    db.read(tenant_scope.require, who, run_id=run_id)
    return db.read(doubts, run_id, settings.switched_off)


@present.get("/v1/batches/{batch_id}/report", **_OPTIONS)
def batch_report(
    db: Db, settings: Config, who: Who, batch_id: Id, campaign: InCampaign, form: Wanted = Format.JSON
) -> Response:
    """The result report of one batch in one campaign."""
    report = db.read(_batch, who, campaign, batch_id)
    return _file(report, form, f"campaign-{campaign}-batch-{batch_id}", settings)


@present.get("/v1/campaigns/{campaign_id}/report", **_OPTIONS)
def campaign_report(
    db: Db, settings: Config, who: Who, campaign_id: Id, form: Wanted = Format.JSON
) -> Response:
    """The runs of a campaign side by side (form 5), then each; a carrier's operator sees its own."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    db.read(clock_check.require_past, [campaign_id])
    report = db.read(carrier_report.build_campaign, campaign_id, db.read(shared_ms), who.carrier)
    return _file(report, form, f"campaign-{campaign_id}", settings)


@present.get("/v1/directives/{directive_id}/report", **_OPTIONS)
def directive_report(
    db: Db, settings: Config, who: Who, directive_id: Id, form: Wanted = Format.JSON
) -> Response:
    """The consolidated report: every carrier's run under the directive, and what other addressees did."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    terms = consolidated.BRIEF if form is Format.SUMMARY else consolidated.PRESENT
    db.read(freeze.require_past, ReportSubject(SubjectKind.DIRECTIVE, directive_id))
    report = db.read(consolidated.build, directive_id, db.read(shared_ms), terms)
    return _file(report, form, f"directive-{directive_id}", settings)


@present.get("/v1/directives/{directive_id}/reach")
def get_reach(db: Db, who: Who, directive_id: Id) -> UniqueReach:
    """Persons whom the campaigns under the directive reached at least once, each counted once."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    return db.read(unique_reach.present, directive_id)


def _run(connection: Connection, who: Caller, run_id: int) -> OfRun:
    if who.carrier not in (None, scope.of_run(connection, run_id).run.carrier):
        raise no_such("run", run_id)
    freeze.require_past(connection, ReportSubject(SubjectKind.RUN, run_id))
    return freeze.of_run(connection, run_id, shared_ms(connection))


def _batch(connection: Connection, who: Caller, campaign_id: int, batch_id: int) -> CarrierReport:
    clock_check.require_past(connection, [campaign_id])
    report = carrier_report.build_batch(connection, campaign_id, batch_id, shared_ms(connection))
    return _visible(report, who, scope.not_part(campaign_id, batch_id))


def _visible(report: CarrierReport, who: Caller, absent: NotFound) -> CarrierReport:
    """Return the report; raises `absent` for a caller of another carrier."""
    if who.carrier not in (None, report.header.carrier):
        raise absent
    return report


def _file(report: Report, form: Format, name: str, settings: Settings) -> Response:
    rendered = render(report, form, letterhead.load(settings.letterheads))
    headers = {"Cache-Control": "no-store"}
    if form is not Format.JSON:
        headers["Content-Disposition"] = f'attachment; filename="{file_name(f"loa-{name}", form)}"'
    return Response(rendered.content, media_type=rendered.media_type, headers=headers)


# ---- Frozen

_FROZEN = TypeAdapter(Frozen)
_MEDIA: dict[str, str] = {form.value: media for form, media in MEDIA_TYPES.items()}
_MEDIA[SIDECAR] = "application/json"
_MEDIA["edxml"] = "application/xml"  # kept of papers that were issued while Loa wrote one
_MEDIA |= {f"{ISSUED}{form}": media for form, media in _MEDIA.items()}
_FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The bytes that were frozen.", "content": {media: {} for media in _MEDIA.values()}}
}
_PDF: dict[int | str, dict[str, Any]] = {200: {"content": {"application/pdf": {}}}}


@dataclass(frozen=True, slots=True)
class FreezeOnce:
    """Freezes once for each idempotency claim. Building the report takes too long for one transaction, so the
    answer is stored in the transaction that writes the new version.
    """

    freezer: Freezer
    claim: IdempotencyClaim | None
    keep_ms: int

    def freeze(self, subject: ReportSubject, cutoff_ms: int | None) -> tuple[StoredAnswer, bool]:
        """Return the answer, and whether it is a stored one."""
        if known := self._known():
            return known, True
        try:
            report, new = replace(self.freezer, along=self._keep).freeze(subject, cutoff_ms)
        except Conflict:
            if known := self._known():  # a concurrent duplicate of the request won
                return known, True
            raise
        answer = _answer(report, new)
        return (answer, False) if new else self._once(self.freezer.db.write, answer)

    def _known(self) -> StoredAnswer | None:
        return self.freezer.db.read(find, self.claim, self.keep_ms) if self.claim else None

    def _keep(self, connection: Connection, report_id: int) -> None:
        answer = _answer(archive.get(connection, report_id), True)
        _, known = self._once(lambda work, *rest: work(connection, *rest), answer)
        if known:
            raise Conflict("The same request has just frozen this report.")

    def _once(
        self, write: Callable[..., tuple[StoredAnswer, bool]], answer: StoredAnswer
    ) -> tuple[StoredAnswer, bool]:
        return write(once, self.claim, self.keep_ms, lambda _: answer) if self.claim else (answer, False)


def _answer(report: Frozen, new: bool) -> StoredAnswer:
    headers = {"location": f"/v1/reports/{report.id}"}
    return StoredAnswer(201 if new else 200, headers, _FROZEN.dump_json(report))


def get_freezing(
    db: Db,
    ledger: LedgerDep,
    settings: Config,
    who: Who,
    claim: Annotated[IdempotencyClaim | None, Depends(get_claim)],
) -> FreezeOnce:
    freezer = freezer_of(db, ledger, settings, who.name)
    return FreezeOnce(freezer, claim, settings.idempotency_ms)


@router.post(
    "", status_code=201, response_model=Frozen, responses={200: {"model": Frozen, "description": "As it was"}}
)
def freeze_report(
    body: FreezeBody, db: Db, who: Who, freezing: Annotated[FreezeOnce, Depends(get_freezing)]
) -> Response:
    """Freeze: 201 for a new version; 200 if this cut-off is frozen already or no figure has changed."""
    db.read(require_own, who, body.subject)
    cutoff_ms = clock.to_ms(body.cut_off_at) if body.cut_off_at else None
    return respond(*freezing.freeze(body.subject, cutoff_ms))


Run = Annotated[Number | None, Query(description="only this run's versions")]
Directive = Annotated[Number | None, Query(description="only this directive's versions")]


@router.get("")
def list_reports(
    db: Db, who: Who, paging: Paging, run_id: Run = None, directive_id: Directive = None
) -> Page[Frozen]:
    """Frozen reports, oldest first; a carrier's operator sees only that carrier's."""
    if run_id is not None and directive_id is not None:
        raise Invalid("Choose either a run or a directive, not both.", field="directive_id")
    subject = ReportSubject(SubjectKind.RUN, run_id) if run_id is not None else None
    subject = ReportSubject(SubjectKind.DIRECTIVE, directive_id) if directive_id is not None else subject
    return page_of(db.read(archive.listed, paging.after, paging.limit, who.carrier, subject).items, paging)


@router.get("/{report_id}")
def get_report(report_id: Id, db: Db, who: Who) -> Frozen:
    """One version: its cut-off, the hashes of its figures and files, the changes since the version before."""
    return db.read(archive.get, report_id, who.carrier)


@router.post("/{report_id}/issue")
def issue_report(
    report_id: Id, body: IssueBody, db: Db, ledger: LedgerDep, settings: Config, who: Who
) -> Frozen:
    """Write the papers with number, day, signer and remarks, without the draft's mark; the draft stays.

    Issuing again replaces the final papers, since a number can be mistyped; the audit keeps both.
    """
    db.read(lambda c: require_own(c, who, _subject_of(archive.get(c, report_id, who.carrier))))
    freezer = freezer_of(db, ledger, settings, who.name)
    return issue.issue(freezer, report_id, who.carrier, body.issue())


def _subject_of(report: Frozen) -> ReportSubject:
    return ReportSubject(report.subject, report.subject_id)


@router.get("/{report_id}/files/{form}", response_class=Response, responses=_FILES)
def get_report_file(report_id: Id, form: str, db: Db, who: Who) -> Response:
    """A file as frozen (docx, pdf, xlsx, csv, json, summary, meta) or issued (issued-pdf); hash checked."""
    report = db.read(archive.get, report_id, who.carrier)
    file, content = db.read(freeze_record.content, report, form)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "ETag": f'"{file.sha256}"',
    }
    return Response(content, media_type=_MEDIA[form], headers=headers)


# Signed papers


@router.post("/{report_id}/signed", status_code=201, response_model=SignedPaper, openapi_extra=file_body())
async def keep_signed_paper(
    report_id: Id, request: Request, db: Db, settings: Config, who: Who, taking: Taking
) -> Response:
    """Keep a signed PDF that came back; say what its signatures prove. The same bytes are checked anew."""
    papers = SignedPapers(db, settings.signature_roots, who.name, who.carrier)
    if who.carrier is not None:  # others see every report, and the check looks for it
        await db.aread(archive.get, report_id, who.carrier)
    folder = await run_in_threadpool(folder_of, settings.data, "uploads")
    async with uploads.taken(request, settings, folder, settings.attachment_limit_mb * 1_048_576) as upload:
        if known := await db.aread(taking.found, upload):
            return sent((known, True))
        found = await papers.checked(report_id, upload.path)

        def kept(connection: Connection) -> StoredAnswer:
            made = papers.keep(connection, report_id, upload.path, found, upload.file.name)
            return uploads.answer(201, SignedPaper, made)

        return sent(await db.awrite(taking.take, upload, kept))


@router.get("/{report_id}/signed")
def list_signed_papers(report_id: Id, db: Db, who: Who) -> list[SignedPaper]:
    """Signed PDFs of this version, oldest first, and what was found when each was last checked."""
    db.read(archive.get, report_id, who.carrier)
    return db.read(signed_papers.of_report, report_id)


@router.get("/{report_id}/signed/{sha256}", response_class=Response, responses=_PDF)
def get_signed_paper(report_id: Id, sha256: str, db: Db, who: Who) -> Response:
    """A signed PDF byte for byte; its hash is checked."""
    report = db.read(archive.get, report_id, who.carrier)
    name, content = db.read(signed_papers.fetch, report, sha256)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
    }
    return Response(content, media_type="application/pdf", headers=headers)


@router.get("/{report_id}/proof")
def prove_report(report_id: Id, db: Db, who: Who) -> Proof:
    """Rebuild the report from the ledger for its cut-off; compare bytes and figures."""
    return verify_archive.prove(db, db.read(archive.get, report_id, who.carrier))


Code = Annotated[str, Query(description="as printed on its last page", examples=["7K3M-9Q2D-XW4T-0B5H"])]


@public.get("/v1/verify/reports")
def verify_report(code: Code, request: Request, db: Db) -> PrintedReport:
    """Show the frozen figures behind the code on a report's last page; open to everybody, within a limit."""
    admit_stranger(request)
    return db.read(printed_code.look, code)


def require_own(connection: Connection, who: Caller, subject: ReportSubject) -> None:
    """Raise NotFound for a subject that an operator may not see."""
    if who.carrier is None:
        return
    own = select(runs.c.id).where(runs.c.id == subject.id, runs.c.carrier == who.carrier)
    if subject.kind is not SubjectKind.RUN or connection.execute(own).first() is None:
        raise no_such(str(subject.kind), subject.id, field=f"{subject.kind}_id")

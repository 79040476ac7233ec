"""Operations on frozen reports: list, issue, versions with their changes, files, proof."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Connection, select

from app.core.errors import Invalid, no_such
from app.core.ids import Number
from app.database.listing import ListPart
from app.database.models import runs
from app.operations import Download, Paging, Transaction, Work, operation
from app.reports.export.formats import MEDIA_TYPES
from app.reports.frozen import archive, freeze_record, signed_papers
from app.reports.frozen.archive import Frozen, ReportSubject, SubjectKind
from app.reports.frozen.freeze_record import ISSUED
from app.reports.frozen.signed_papers import SignedPaper
from app.reports.release import issue, verify_archive
from app.reports.release.freeze import SIDECAR, freezer_of
from app.reports.release.verify_archive import Proof
from app.reports.schemas import IssueBody
from app.security.principal import Caller
from app.security.roles import EVERYBODY, WORKERS

TAG = "reports"

_MEDIA: dict[str, str] = {form.value: media for form, media in MEDIA_TYPES.items()}
_MEDIA[SIDECAR] = "application/json"
_MEDIA["edxml"] = "application/xml"  # kept of papers that were issued while Loa wrote one
_MEDIA |= {f"{ISSUED}{form}": media for form, media in _MEDIA.items()}
_FILES: dict[str, Any] = {
    "description": "The bytes that were frozen.",
    "content": {media: {} for media in _MEDIA.values()},
}
Run = Annotated[Number | None, Field(description="only this run's versions")]
Directive = Annotated[Number | None, Field(description="only this directive's versions")]


@operation("GET /v1/reports", roles=EVERYBODY)
def list_reports(
    tx: Transaction, paging: Paging, run_id: Run = None, directive_id: Directive = None
) -> ListPart[Frozen]:
    """Frozen reports, oldest first; a carrier's operator sees only that carrier's."""
    if run_id is not None and directive_id is not None:
        raise Invalid("Choose either a run or a directive, not both.", field="directive_id")
    subject = ReportSubject(SubjectKind.RUN, run_id) if run_id is not None else None
    subject = ReportSubject(SubjectKind.DIRECTIVE, directive_id) if directive_id is not None else subject
    return archive.listed(tx.connection, paging.request, paging.limit, tx.who.carrier, subject)


@operation("GET /v1/reports/{report_id}", roles=EVERYBODY)
def get_report(tx: Transaction, report_id: Number) -> Frozen:
    """One version: its cut-off, the hashes of its figures and files, the changes since the version before."""
    return archive.get(tx.connection, report_id, tx.who.carrier)


@operation(
    "POST /v1/reports/{report_id}/issue",
    roles=WORKERS,
    action="report.issue",
    audit="issued {subject} with its number, date and signer",
    flash="The final documents were created.",
    page="/reports/{report_id}",
)
def issue_report(work: Work, report_id: Number, body: IssueBody) -> Frozen:
    """Write the papers with number, day, signer and remarks, without the draft's mark; the draft stays.

    Issuing again replaces the final papers, since a number can be mistyped; the audit keeps both.
    """
    report = work.db.read(archive.get, report_id, work.who.carrier)
    work.db.read(require_own, work.who, ReportSubject(report.subject, report.subject_id))
    freezer = freezer_of(work.db, work.ledger, work.settings, work.who.name)
    return issue.issue(freezer, report_id, work.who.carrier, body.issue())


@operation("GET /v1/reports/{report_id}/files/{form}", roles=EVERYBODY, files=_FILES)
def get_report_file(tx: Transaction, report_id: Number, form: str) -> Download:
    """A file as frozen (docx, pdf, xlsx, csv, json, summary, meta) or issued (issued-pdf); hash checked."""
    report = archive.get(tx.connection, report_id, tx.who.carrier)
    file, content = freeze_record.content(tx.connection, report, form)
    tx.headers["ETag"] = f'"{file.sha256}"'
    return Download(content, file.name, _MEDIA[form])


@operation("GET /v1/reports/{report_id}/signed", roles=EVERYBODY)
def list_signed_papers(tx: Transaction, report_id: Number) -> list[SignedPaper]:
    """Signed PDFs of this version, oldest first, and what was found when each was last checked."""
    archive.get(tx.connection, report_id, tx.who.carrier)
    return signed_papers.of_report(tx.connection, report_id)


@operation(
    "GET /v1/reports/{report_id}/signed/{sha256}",
    roles=EVERYBODY,
    files={"content": {"application/pdf": {}}},
)
def get_signed_paper(tx: Transaction, report_id: Number, sha256: str) -> Download:
    """A signed PDF byte for byte; its hash is checked."""
    report = archive.get(tx.connection, report_id, tx.who.carrier)
    name, content = signed_papers.fetch(tx.connection, report, sha256)
    return Download(content, name, "application/pdf")


@operation("GET /v1/reports/{report_id}/proof", roles=EVERYBODY)
def prove_report(work: Work, report_id: Number) -> Proof:
    """Rebuild the report from the ledger for its cut-off; compare bytes and figures."""
    return verify_archive.prove(work.db, work.db.read(archive.get, report_id, work.who.carrier))


def require_own(connection: Connection, who: Caller, subject: ReportSubject) -> None:
    """Raise NotFound for a subject that an operator may not see."""
    if who.carrier is None:
        return
    own = select(runs.c.id).where(runs.c.id == subject.id, runs.c.carrier == who.carrier)
    if subject.kind is not SubjectKind.RUN or connection.execute(own).first() is None:
        raise no_such(str(subject.kind), subject.id, field=f"{subject.kind}_id")

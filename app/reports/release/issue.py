"""Issues a frozen report: the papers anew with number, day and signer, beside the draft that stays."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

from sqlalchemy import Connection, delete, insert
from sqlalchemy.exc import IntegrityError

from app.core import clock
from app.core.errors import Conflict, Invalid
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import one_at_a_time, shared_ms
from app.database.models import issued_reports, report_files
from app.reports.counting.consolidated import ConsolidatedReport
from app.reports.export.formats import PAPERS, Format, head_of, paper, prepare
from app.reports.figures.version import PrintedCode, Version
from app.reports.forms.letterhead import Letterhead, Letterheads
from app.reports.frozen import archive, freeze_record
from app.reports.frozen.archive import Frozen, ReportSubject
from app.reports.frozen.freeze_record import ISSUED
from app.reports.papers import chairman_page, consolidated_paper, exchange_files, final_paper
from app.reports.papers.final_paper import Issue, ReplacedPaper, fill
from app.reports.release import earlier_round, freeze, verify_archive
from app.reports.release.freeze import SIDECAR, Built, Freezer
from app.security import audit, kept_rows

_VERSIONS = 1000  # more than any report has
_AT_ONCE = "Someone else has just issued this report. Reload and review it."


def issue(freezer: Freezer, report_id: int, carrier: str | None, issue: Issue) -> Frozen:
    """Write the final papers; issuing again replaces them, since a number can be mistyped.

    They tell the changes since the version that was issued last: whoever reads them knows no other. carrier:
    whose reports the caller may see, None for all. Raises NotFound, Invalid, and Conflict where the ledger no
    longer gives the frozen figures, a later version is issued, or blanks would be left.
    """
    final_paper.require(issue)
    db = freezer.db
    report = db.read(archive.get, report_id, carrier)
    _require_day(issue, report)
    last = db.read(_issued_before, report)
    proof, built = db.read(verify_archive.prove_built, report)
    if proof.sentences or built is None:
        why = next(iter(proof.sentences), proof.note)
        raise Conflict(
            "The documents of report {report} cannot be created again: {why}", report=report_id, why=why
        )
    printed = PrintedCode(report.code, "", report.sha256, freezer.place) if report.code else None
    earlier = db.read(earlier_round.find, report, issue.compare_with, carrier)
    version = freezer.next_version(prepare(built), last)[0]
    version = replace(version, number=report.version, printed=printed, earlier=earlier, issued=True)
    before = db.read(_replaced, last, head_of(built, freezer.letterheads)) if last else None
    files = dict(_made(built, freezer.letterheads, version, (issue, before)))
    try:
        db.write(_keep, (report, last), files, issue, freezer.who)
    except IntegrityError:
        raise Conflict(_AT_ONCE) from None
    return db.read(archive.get, report_id)


def _require_day(issue: Issue, report: Frozen) -> None:
    if issue.dated_on > clock.local(clock.now()).date():
        raise Invalid("The date of a document cannot be in the future.", field="dated_on")
    first = max(report.cut_off_at, report.created_at).date()
    if issue.dated_on < first:
        raise Invalid(
            "The figures were frozen on {day}, so the document cannot have an earlier date.",
            day=f"{first:%d/%m/%Y}",
            field="dated_on",
        )


def _made(
    built: Built, letterheads: Letterheads, version: Version, issues: tuple[Issue, ReplacedPaper | None]
) -> Iterator[tuple[str, bytes]]:
    head, (wanted, before) = head_of(built, letterheads), issues
    final_paper.require_whole(head)
    final = fill(paper(built, letterheads, version), wanted, before)
    papers = {form: write(final) for form, write in PAPERS.items()}
    yield from ((form.value, content) for form, content in papers.items())
    if isinstance(built, ConsolidatedReport):
        proposals = {"proposals": chairman_page.proposals(wanted.remarks.get("proposals", ""))}
        own = replace(wanted, remarks=proposals)
        page = fill(consolidated_paper.summary(built, head, version), own, before)
        yield Format.SUMMARY.value, PAPERS[Format.PDF](page)
    yield SIDECAR, exchange_files.metadata(final, head, version, papers[Format.PDF], wanted)


def _replaced(connection: Connection, last: Frozen, head: Letterhead) -> ReplacedPaper | None:
    """Return how a version was issued: symbol and agency are those of its own fields file, not of today."""
    if last.issued is None:
        return None
    named = ReplacedPaper(last.issued.number, last.issued.dated_on, head.symbol, head.name)
    if all(each.format != f"{ISSUED}{SIDECAR}" for each in last.files):  # issued before there were any
        return named
    said = json.loads(freeze_record.content(connection, last, f"{ISSUED}{SIDECAR}")[1])
    return replace(
        named,
        symbol=_uncut(said["CodeNotation"], head.symbol),
        organ_name=_uncut(said["OrganName"], head.name),
    )


def _uncut(stored: str, now: str) -> str:
    """Return what the fields file has, or today's words where it has them only to the decree's length."""
    return now if stored.endswith("…") and now.startswith(stored[:-1]) else stored


def _issued_before(connection: Connection, report: Frozen) -> Frozen | None:
    """Return the version that was issued last before this one; Conflict if a later one is issued.

    The later one tells its readers which paper it replaces, and that can't be told otherwise any more.
    """
    subject = ReportSubject(report.subject, report.subject_id)
    issued = [each for each in archive.recent(connection, _VERSIONS, None, subject) if each.issued]
    if issued and issued[0].version > report.version and issued[0].issued:
        later = issued[0]
        raise Conflict(
            "Version {later} was already issued as number {number}, so version {version} can no "
            "longer be issued. Freeze and issue a new version.",
            later=later.version,
            number=issued[0].issued.number,
            version=report.version,
        )
    return next((each for each in issued if each.version < report.version), None)


def _keep(
    connection: Connection,
    seen: tuple[Frozen, Frozen | None],
    files: Mapping[str, bytes],
    issue: Issue,
    who: str,
) -> None:
    """Keep the papers unless a report was issued since `seen`: this one, or the one before it."""
    report, _ = seen
    one_at_a_time(connection, AdvisoryLock.REPORT_NUMBER)
    if (archive.get(connection, report.id), _issued_before(connection, report)) != seen:
        raise Conflict(_AT_ONCE)
    f, subject = report_files.c, ReportSubject(report.subject, report.subject_id)
    connection.execute(delete(report_files).where(f.report_id == report.id, f.format.startswith(ISSUED)))
    connection.execute(delete(issued_reports).where(issued_reports.c.report_id == report.id))
    said = {"number": issue.number, "dated_on": issue.dated_on.isoformat(), "signer": issue.signer.strip()}
    own = {"report_id": report.id, "at": shared_ms(connection), "by": who}
    connection.execute(insert(issued_reports).values(own | said))
    named = [(f"{ISSUED}{form}", content) for form, content in files.items()]
    rows = [freeze.file_row(report.id, subject, report.version, each) for each in named]
    connection.execute(insert(report_files), rows)
    record = freeze_record.issue_detail(archive.get(connection, report.id))
    kept = kept_rows.kept(connection, issued_reports, issued_reports.c.report_id == report.id)
    audit.note(connection, who, freeze_record.ISSUE, f"report/{report.id}", **said, **record, kept=kept)

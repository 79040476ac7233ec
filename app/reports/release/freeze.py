"""Freezes a report: built for a cut-off, checked, hashed, stored with its files, never changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict, no_such
from app.core.states import RunState
from app.database.connection import Database, shared_ms
from app.database.models import campaigns, directives, frozen_reports, report_files, run_batches, runs
from app.ledger.ledger import Ledger
from app.reports.counting import (
    carrier_report,
    clock_check,
    consolidated,
    differences,
    scope,
    snapshots,
    stated_report,
)
from app.reports.counting.consolidated import PRESENT, ConsolidatedReport, ConsolidationTerms
from app.reports.counting.snapshot_taking import take
from app.reports.counting.snapshots import SnapshotCause
from app.reports.counting.stated_report import StatedReport
from app.reports.export import json_file
from app.reports.export.formats import (
    PAPERS,
    Format,
    Prepared,
    head_of,
    paper,
    prepare,
    render,
    tabular,
)
from app.reports.figures.figures import CarrierReport, Unbalanced
from app.reports.figures.version import Version
from app.reports.forms import letterhead
from app.reports.forms.carrier_tables import OfRun
from app.reports.forms.letterhead import Letterheads
from app.reports.frozen import archive, freeze_record, printed_code
from app.reports.frozen.archive import Frozen, ReportSubject, SubjectKind
from app.reports.frozen.freeze_record import ISSUED
from app.reports.papers import exchange_files
from app.reports.verification import verify
from app.security import audit
from app.telephone_panel.judgement import Judgement, Verdict

Built = OfRun | ConsolidatedReport
FORMATS = (Format.DOCX, Format.PDF, Format.XLSX, Format.CSV, Format.JSON)
SIDECAR = "meta"  # what document systems read: JSON beside the papers
_MOVING = (RunState.RUNNING.value, RunState.PAUSED.value, RunState.CANCELLING.value)


@dataclass(frozen=True, slots=True)
class Freezer:
    """Freezes in `who`'s name; `along` runs in the transaction of a new version, with its id.

    place: where printed copies are checked (`printed_code.public_place`).
    """

    db: Database
    ledger: Ledger
    letterheads: Letterheads
    who: str
    along: Callable[[Connection, int], None] | None = None
    place: str = ""

    def freeze(
        self, subject: ReportSubject, cutoff_ms: int | None = None, taken_ms: int | None = None
    ) -> tuple[Frozen, bool]:
        """Return the version of that cut-off (ms since 1970; None: now), and whether it is new.

        The same cut-off gives the same version; without one, the last version while its figures hold.
        taken_ms: the snapshot of now, where reports are frozen together. Raises Invalid, NotFound, Conflict
        also where there is no snapshot of the cut-off, Unbalanced.
        """
        self.db.read(require_past, subject)
        until = self.db.read(snapshots.now) if taken_ms is None else taken_ms
        self.db.read(_require_begun, subject, until if cutoff_ms is None else cutoff_ms)
        if cutoff_ms is not None:
            if same := self.db.read(archive.at, subject, cutoff_ms):
                return same, False
            until = self.db.read(snapshots.moment, subject, cutoff_ms)
        last, same = self.db.read(lambda c: (archive.newest(c, subject), archive.at(c, subject, until)))
        if same:
            return same, False
        if last and cutoff_ms is not None and clock.to_ms(last.cut_off_at) > until:
            raise Conflict(
                "Version {version} has a later cut-off ({at}). A new version cannot have an earlier one.",
                version=last.version,
                at=f"{last.cut_off_at:%d/%m/%Y %H:%M:%S}",
                field="cut_off_at",
            )
        self.db.read(_require_queued, subject)
        odd = self.db.read(_require_recount, subject, self.ledger)
        if cutoff_ms is None and taken_ms is None:
            until = take(self.db, [subject], SnapshotCause.FREEZE)
        report = naming(self.db.read(build, subject, until), odd)
        if isinstance(report, ConsolidatedReport) and not (report.lines or report.channels):
            raise Conflict(
                "No messages or reports exist under directive {id} yet, so there is nothing to "
                "freeze. Approve a campaign or enter a report first.",
                id=subject.id,
            )
        prepared = prepare(report)
        version, alike = self.next_version(prepared, last)
        if last and cutoff_ms is None and alike:
            return last, False
        return self._keep(prepared, subject, version), True

    def next_version(self, prepared: Prepared[Built], last: Frozen | None) -> tuple[Version, bool]:
        """Return the version that follows `last`, with what has changed since, and whether nothing has."""
        if last is None:
            return Version(1), False
        old = json.loads(self.db.read(archive.figures, last))
        new = json_file.as_kept(prepared.document, old)  # a figure that is new in Loa is no change
        since = (last.version, clock.to_ms(last.cut_off_at))
        changes = (differences.differences(old, new), differences.changed_rows(old, new))
        alike = not changes[0] and differences.judged_alike(old, new)
        return Version(last.version + 1, since, *changes, issued_before=last.issued is not None), alike

    def _keep(self, prepared: Prepared[Built], subject: ReportSubject, version: Version) -> Frozen:
        cutoff_ms = prepared.report.cutoff_ms
        drawn = printed_code.draw(subject, version.number, cutoff_ms, prepared.sha256, self.place)
        version = replace(version, printed=drawn)
        files = dict(made(prepared, self.letterheads, version))
        try:
            report_id = self.db.write(self._write, prepared, subject, version, files)
        except IntegrityError:
            raise Conflict("Someone else has just frozen this report. See the list of reports.") from None
        return self.db.read(archive.get, report_id)

    def _write(
        self,
        connection: Connection,
        prepared: Prepared[Built],
        subject: ReportSubject,
        version: Version,
        files: dict[str, bytes],
    ) -> int:
        report_id = _insert(connection, prepared, subject, version, (files, self.who))
        if self.along is not None:
            self.along(connection, report_id)
        return report_id


def freezer_of(db: Database, ledger: Ledger, settings: Settings, who: str) -> Freezer:
    place = printed_code.public_place(settings.public_hosts)
    return Freezer(db, ledger, letterhead.load(settings.letterheads), who, place=place)


def as_of(connection: Connection, subject: ReportSubject, cutoff_ms: int | None) -> Built:
    """Return the report of now, or of the snapshot for a cut-off (ms since 1970); see `snapshots.moment`."""
    if cutoff_ms is None:
        return build(connection, subject, snapshots.now(connection))
    return build(connection, subject, snapshots.moment(connection, subject, cutoff_ms))


def require_past(connection: Connection, subject: ReportSubject) -> None:
    """Raise Conflict where part of it has a time in the future, see app/reports/counting/clock_check.py."""
    directive_id = subject.id if subject.kind is SubjectKind.DIRECTIVE else None
    clock_check.require_past(connection, _campaigns(connection, subject), directive_id)


def build(
    connection: Connection, subject: ReportSubject, cutoff_ms: int, terms: ConsolidationTerms = PRESENT
) -> Built:
    if subject.kind is SubjectKind.RUN:
        return of_run(connection, subject.id, cutoff_ms)
    return consolidated.build(connection, subject.id, cutoff_ms, terms)


def of_run(connection: Connection, run_id: int, cutoff_ms: int) -> OfRun:
    """Return the report of a run: measured, or stated where its carrier sends to its own subscribers."""
    if stated_report.is_held(connection, run_id):
        return stated_report.build(connection, run_id, cutoff_ms)
    return carrier_report.build(connection, run_id, cutoff_ms)


def made(
    prepared: Prepared[Built], letterheads: Letterheads, version: Version
) -> Iterator[tuple[str, bytes]]:
    """Yield every file by its format, documents first, the document system's metadata last."""
    report = prepared.report
    said = paper(report, letterheads, version)
    papers = {form: write(said) for form, write in PAPERS.items()}
    files = papers | {Format.JSON: prepared.content} | dict(tabular(report, version))
    yield from ((form.value, files[form]) for form in FORMATS)
    if isinstance(report, ConsolidatedReport):
        yield Format.SUMMARY.value, render(report, Format.SUMMARY, letterheads, version).content
    yield SIDECAR, exchange_files.metadata(said, head_of(report, letterheads), version, papers[Format.PDF])


def name_of(subject: ReportSubject, version: int, form: str) -> str:
    which = f"v{version}" if version else "xem-truoc"
    form, final = form.removeprefix(ISSUED), "-phat-hanh" if form.startswith(ISSUED) else ""
    tail = {SIDECAR: "-van-ban.json", Format.SUMMARY.value: "-tom-tat.pdf"}.get(form, f".{form}")
    return f"bao-cao-{subject.kind}-{subject.id}-{which}{final}{tail}"


def _campaigns(connection: Connection, subject: ReportSubject) -> list[int]:
    if subject.kind is SubjectKind.RUN:
        query = select(runs.c.campaign_id).where(runs.c.id == subject.id)
    else:
        query = select(campaigns.c.id).where(campaigns.c.directive_id == subject.id)
    found = list(connection.execute(query).scalars())
    if not found and subject.kind is SubjectKind.RUN:
        raise no_such("run", subject.id, field="run_id")
    return found


def _require_begun(connection: Connection, subject: ReportSubject, cutoff_ms: int) -> None:
    """Raise Conflict for a cut-off before anything was sent, or before the directive was issued."""
    required = _require_started if subject.kind is SubjectKind.RUN else _require_issued
    required(connection, subject.id, cutoff_ms)  # a missing subject is reported by the next step


def _require_started(connection: Connection, run_id: int, cutoff_ms: int) -> None:
    r = runs.c
    query = select(r.started_at, scope.begun(cutoff_ms).label("begun")).where(r.id == run_id)
    found = connection.execute(query).first()
    if found is None or found.begun:
        return
    if found.started_at is None:
        raise Conflict(
            "Run {run_id} has not started, so there is nothing to freeze. Start it first.", run_id=run_id
        )
    at = clock.moment(found.started_at)
    raise Conflict(
        "Run {run_id} started on {at}, after this cut-off. Choose a later cut-off.",
        run_id=run_id,
        at=f"{at:%d/%m/%Y %H:%M:%S}",
        field="cut_off_at",
    )


def _require_issued(connection: Connection, directive_id: int, cutoff_ms: int) -> None:
    issued = connection.execute(
        select(directives.c.issued_on).where(directives.c.id == directive_id)
    ).scalar()
    day = clock.moment(cutoff_ms).date()
    if issued is not None and day < date.fromisoformat(issued):
        raise Conflict(
            "Directive {directive_id} is dated {issued}, after this cut-off. Choose a later cut-off.",
            directive_id=directive_id,
            issued=issued,
            field="cut_off_at",
        )


def _require_queued(connection: Connection, subject: ReportSubject) -> None:
    """Raise Conflict while a run is queued: repeated numbers are known only afterwards."""
    b, r = run_batches.c, runs.c
    moving = select(r.id).join(run_batches, b.run_id == r.id)
    moving = moving.where(b.fanned_all.is_(False), r.state.in_(_MOVING))
    own = r.id == subject.id if subject.kind is SubjectKind.RUN else None
    where = own if own is not None else r.campaign_id.in_(_campaigns(connection, subject))
    run_id = connection.execute(moving.where(where).limit(1)).scalar()
    if run_id is not None:
        raise Conflict(
            "Run {run} is still being queued. Freeze its report in a minute; if it is paused, "
            "resume or cancel it first.",
            run=run_id,
        )


class Contradicted(NamedTuple):
    """What contradicts a run's report without making a figure wrong; see `Extra`."""

    unexplained: int
    snapshots: int


def _require_recount(
    connection: Connection, subject: ReportSubject, ledger: Ledger
) -> dict[int, Contradicted]:
    """Return by run what its report has to say of itself. Raises Unbalanced where a figure is wrong."""
    odd: dict[int, Contradicted] = {}
    for campaign_id in _campaigns(connection, subject):
        recount = verify.recount(connection, campaign_id, ledger)
        for run_id in {*recount.unexplained, *(each.run_id for each in recount.snapshots)}:
            n = recount.unexplained.get(run_id, 0)
            odd[run_id] = Contradicted(n, recount.contradicted(run_id))
        if found := recount.figures:
            raise Unbalanced(
                "The recount found {n} differences, so nothing was frozen. The first: {first} Run "
                "`loa verify` to see all of them; `loa verify --repair` corrects tallies.",
                n=len(found),
                first=found[0],
            )
    return odd


def naming(report: Built, odd: Mapping[int, Contradicted]) -> Built:
    """Return the report with what nobody could explain when it was frozen, by run.

    One odd row or snapshot must not keep a report back for good, and no report keeps silent about it.
    """
    return _each(report, lambda report: _naming(report, odd))


def _each(report: Built, change: Callable[[CarrierReport], CarrierReport]) -> Built:
    """Return the report with this change of each measured run's."""
    if isinstance(report, ConsolidatedReport):
        lines = (replace(line, report=change(line.report)) for line in report.lines)
        return replace(report, lines=tuple(lines))
    return change(report) if isinstance(report, CarrierReport) else report


def _naming(report: CarrierReport, odd: Mapping[int, Contradicted]) -> CarrierReport:
    found = odd.get(report.header.run_id)
    if found is None:
        return report
    extra = replace(report.extra, unexplained=found.unexplained, contradicted_snapshots=found.snapshots)
    return replace(report, extra=extra)


def as_frozen(report: Built, document: Mapping[str, Any]) -> Built:
    """Return a rebuilt report, completed by run from the frozen one where the ledger lacks the data.

    What was unexplained, the rules and the prices of its day, who had said what receipts prove, and what test
    telephones had answered: only the SMS parts charged are counted again.
    """
    if isinstance(report, ConsolidatedReport):
        kept = {line["run_id"]: line.get("panel") for line in document.get("runs", ())}
        lines = (replace(line, panel=_panel(kept.get(line.run_id))) for line in report.lines)
        report = replace(report, lines=tuple(lines))
    each = [document, *(line["measured"] for line in document.get("runs", ()))]
    of_run = {run["run_id"]: run for run in each if "run_id" in run}
    odd = {
        run_id: Contradicted(run.get("unexplained_messages", 0), run.get("contradicted_snapshots", 0))
        for run_id, run in of_run.items()
    }
    if isinstance(report, StatedReport):
        return replace(report, rules=document.get("rules", 1))
    return _each(naming(report, odd), lambda report: _as_then(report, of_run.get(report.header.run_id, {})))


def _panel(kept: Mapping[str, Any] | None) -> Judgement | None:
    """Return what test telephones said when it was frozen: answers since then belong to a later version."""
    return None if kept is None else Judgement(**{**kept, "verdict": Verdict(kept["verdict"])})


def _as_then(report: CarrierReport, frozen: Mapping[str, Any]) -> CarrierReport:
    head = replace(report.header, handset_by=frozen.get("handset_proved_by"))
    report = replace(report, header=head, rules=frozen.get("rules", 1))
    if report.cost is None:
        return report
    kept = frozen.get("cost", {})
    money = {name: kept.get(name) for name in ("dong", "dong_with_vat")}
    return replace(report, cost=replace(report.cost, **money))


def _insert(
    connection: Connection,
    prepared: Prepared[Built],
    subject: ReportSubject,
    version: Version,
    stored: tuple[dict[str, bytes], str],
) -> int:
    files, who = stored
    report = prepared.report
    row = {
        "kind": subject.kind.value,
        "subject_id": subject.id,
        "carrier": None if isinstance(report, ConsolidatedReport) else report.header.carrier,
        "version": version.number,
        "cutoff_at": report.cutoff_ms,
        "interim": int(report.interim),
        "figures": prepared.content.decode(),
        "sha256": prepared.sha256,
        "changes": [asdict(each) for each in version.changes],
        "created_at": shared_ms(connection),
        "created_by": who,
        "code": version.printed.code if version.printed else None,
        "code_salt": version.printed.salt if version.printed else None,
    }
    report_id: int = connection.execute(
        insert(frozen_reports).values(row).returning(frozen_reports.c.id)
    ).scalar_one()
    connection.execute(
        insert(report_files),
        [file_row(report_id, subject, version.number, each) for each in files.items()],
    )
    detail = freeze_record.detail(archive.get(connection, report_id))
    audit.note(connection, who, freeze_record.FROZEN, f"report/{report_id}", **detail)
    return report_id


def file_row(report_id: int, subject: ReportSubject, version: int, file: tuple[str, bytes]) -> dict[str, Any]:
    form, content = file
    return {
        "report_id": report_id,
        "format": form,
        "name": name_of(subject, version, form),
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "content": content,
    }

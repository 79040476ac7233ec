"""Report pages: built for a cut-off, frozen, listed, compared, proved, downloaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Query, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection

from app.api import uploads
from app.api.dependencies import Id, LedgerDep, Routes
from app.core import clock, ids
from app.core.errors import Conflict, Invalid, TooLarge, no_such
from app.core.ids import LARGEST, Exact
from app.dispatch import link_store
from app.file_import.spool import folder_of
from app.reports import archive_operations
from app.reports.archive_operations import require_own
from app.reports.counting import carrier_report, clock_check, differences, snapshots
from app.reports.counting.clock_check import InFuture
from app.reports.counting.fraud_signals import FraudSignal, doubts
from app.reports.counting.stated_report import StatedReport
from app.reports.export.formats import Report, tables_of
from app.reports.figures import carrier_statement, numbers
from app.reports.figures.figures import CampaignReport, CarrierReport
from app.reports.figures.table_model import CellKind, ReportTable, value
from app.reports.figures.version import FigureChange
from app.reports.forms import carrier_tables, directive_areas
from app.reports.frozen import archive, signed_papers
from app.reports.frozen.archive import Frozen, ReportSubject, SubjectKind
from app.reports.frozen.signed_papers import SignedPapers
from app.reports.intake.routes import FOLDER
from app.reports.papers.final_paper import REMARKS
from app.reports.release import freeze, verify_archive
from app.reports.release.freeze import freezer_of
from app.security.roles import may
from app.web import display_names
from app.web.forms import read_fields
from app.web.forms.list_export import ListFile, list_file, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.operation_forms import add_forms
from app.web.rendering import (
    Fields,
    FormData,
    FormState,
    PageRequest,
    Visit,
    redirect_with_flash,
    refused,
    render,
)
from app.web.translations import Speaker, say
from app.web.view_models import report_list
from carriers.contract import ReceiptLevel

router = Routes(include_in_schema=False)
Cursor = Annotated[int, Query(ge=0, le=LARGEST), Exact]

_PIECE = 30
AT_ONCE = 50_000  # reports read every message; larger ones are built only on request
_MANY = (None, None)  # a campaign's runs differ: each line tells
_Building = Callable[[Connection, int | None], Report]


def _shares(row: report_list.Reported, speaker: Speaker) -> str:
    said = (
        f"{display_names.network(run.carrier)}: {speaker.say(say('version {n}'), n=run.version)}"
        if run.version
        else f"{display_names.network(run.carrier)}: {speaker.say(say('not frozen yet'))}"
        for run in row.runs
    )
    return "; ".join(said)


FILE = ListFile(
    "reports",
    {
        say("No."): "id",
        say("Campaign"): "name",
        say("Directive"): "number",
        say("Frozen"): _shares,
    },
)


def _numbers(connection: Connection, kind: str, frozen: Sequence[Frozen]) -> dict[int, str]:
    """Return the directive's number of the reports of this kind, by the id of their subject."""
    ids = {report.subject_id for report in frozen if report.subject == kind}
    return report_list.numbers(connection, kind, list(ids))


@router.get("/reports")
def page_reports(
    visit: Visit,
    query: Annotated[ListQuery, Depends()],
    frozen_after: str = "",
    frozen_nth: str = "",
) -> Response:
    """List campaigns to report on, and frozen versions."""
    carrier, second = visit.who.carrier, ListQuery(after=frozen_after, nth=frozen_nth)
    if wants_file(query):
        read = partial(report_list.listed, carrier=carrier)
        return list_file(visit, FILE, query.request(report_list.ORDERS), read)
    found = visit.db.read(report_list.listed, query.request(report_list.ORDERS), _PIECE, carrier)
    versions = visit.db.read(archive.listed, second.request(), _PIECE, carrier)
    values: dict[str, Any] = {
        "list": list_view(visit, query, found),
        "frozen": list_view(visit, second, versions, prefix="frozen_"),
        "numbers": {kind: visit.db.read(_numbers, kind, versions.items) for kind in ("run", "directive")},
    }
    return render(visit, "reports.html", **values)


@router.get("/reports/runs/{run_id}")
def page_run_report(run_id: Id, visit: Visit) -> Response:
    return _subject_page(visit, ReportSubject(SubjectKind.RUN, run_id), _asked(visit))


@router.get("/reports/directives/{directive_id}")
def page_directive_report(directive_id: Id, visit: Visit) -> Response:
    return _subject_page(visit, ReportSubject(SubjectKind.DIRECTIVE, directive_id), _asked(visit))


@router.get("/reports/campaigns/{campaign_id}")
def page_campaign_report(campaign_id: Id, visit: Visit) -> Response:
    """Show the measured runs of a campaign side by side."""
    carrier = visit.who.carrier

    def build(connection: Connection, _: int | None) -> Report:
        clock_check.require_past(connection, [campaign_id])
        return carrier_report.build_campaign(connection, campaign_id, snapshots.now(connection), carrier)

    found = _build(visit, build, _asked(visit), ("campaign", campaign_id))
    return _page(visit, f"campaigns/{campaign_id}", found, None)


@router.post("/reports/freeze")
def page_do_freeze_report(visit: Visit, fields: Fields, ledger: LedgerDep) -> Response:
    """Freeze as POST /v1/reports does: while its figures hold, the last version is returned."""
    subject = _subject(fields)
    visit.db.read(require_own, visit.who, subject)
    try:
        at = read_fields.moment(fields, "at")
        freezer = freezer_of(visit.db, ledger, visit.settings, visit.who.name)
        report, new = freezer.freeze(subject, clock.to_ms(at) if at else None)
    except (Conflict, Invalid) as error:
        return _subject_page(visit, subject, fields, refused(error, fields))
    said = (
        say("Version {n} was frozen.")
        if new
        else say("Version {n} is already frozen, and its figures are still right.")
    )
    return redirect_with_flash(visit, f"/reports/{report.id}", said, n=report.version)


@router.post("/reports/{report_id}/signed")
async def page_do_keep_signed_paper(report_id: Id, visit: Visit) -> Response:
    """Keep a signed PDF as POST /v1/reports/{id}/signed does."""
    db, settings = visit.db, visit.settings
    papers = SignedPapers(db, settings.signature_roots, visit.who.name, visit.who.carrier)
    if visit.who.carrier is not None:  # others see every report, and the check looks for it
        await db.aread(archive.get, report_id, visit.who.carrier)
    folder = await run_in_threadpool(folder_of, settings.data, FOLDER)
    limit = settings.attachment_limit_mb * 1_048_576
    try:
        async with uploads.taken(visit.request, settings, folder, limit) as upload:
            found = await papers.checked(report_id, upload.path)
            await db.awrite(papers.keep, report_id, upload.path, found, upload.file.name)
    except (Conflict, Invalid, TooLarge) as error:
        return await run_in_threadpool(_frozen, visit, report_id, 0, False, refused(error, FormData()))
    return redirect_with_flash(visit, f"/reports/{report_id}", say("The signed PDF was stored and checked."))


@router.get("/reports/{report_id}")
def page_frozen_report(report_id: Id, visit: Visit, against: Cursor = 0, prove: bool = False) -> Response:
    """Show one version: files, changes since the one before or another one, proof."""
    return _frozen(visit, report_id, against, prove)


_UNTOUCHED = FormState()
_ROUNDS = 100  # newest reports among which an earlier round is offered


def _earlier_rounds(connection: Connection, report: Frozen, carrier: str | None) -> list[Frozen]:
    """Return the frozen reports of other directives that this one may be compared with, newest first."""
    return [
        each
        for each in archive.recent(connection, _ROUNDS, carrier)
        if each.subject is report.subject is SubjectKind.DIRECTIVE
        and each.subject_id != report.subject_id
        and each.cut_off_at < report.cut_off_at
    ]


def _frozen(
    visit: PageRequest, report_id: int, against: int = 0, prove: bool = False, entered: FormState = _UNTOUCHED
) -> Response:
    carrier = visit.who.carrier
    report = visit.db.read(archive.get, report_id, carrier)
    subject = ReportSubject(report.subject, report.subject_id)
    versions = visit.db.read(archive.recent, 1000, carrier, subject)
    other, earlier = _other(versions, report, against), visit.db.read(_earlier_rounds, report, carrier)
    shown: dict[str, Any] = {
        "report": report,
        "numbers": visit.db.read(_numbers, report.subject, [report, *earlier]),
        "versions": versions,
        "against": other.id if other else 0,
        "changes": visit.db.read(_compared, other, report) if other else (),
        "proof": verify_archive.prove(visit.db, report) if prove else None,
        "issues": may(visit.who.role, "issue_report"),
        "remarks": REMARKS[subject.kind],
        "earlier": earlier,
        "signed": visit.db.read(signed_papers.of_report, report_id),
        "entered": entered,
    }
    return render(visit, "frozen.html", entered.status, **shown)


add_forms(router, archive_operations, again=_frozen)


# Building the page


@dataclass(frozen=True, slots=True)
class _Built:
    """Figures for a cut-off; `missing`, `ahead` or `entered` tell why there are none.

    waiting: messages that would have to be read, if the report was not asked for yet.
    """

    report: Report | None
    entered: FormState
    missing: str = ""
    ahead: str = ""
    waiting: int = 0


def _subject(fields: FormData) -> ReportSubject:
    kind, number = fields.get("kind"), ids.read(fields.raw("id"))
    if kind not in list(SubjectKind) or not number:
        raise Invalid("Choose a run or a directive.", field="kind")
    return ReportSubject(SubjectKind(kind), number)


def _asked(visit: PageRequest) -> FormData:
    """Return the cut-off named in the URL; without one, no field at all."""
    said = visit.request.query_params.get("at")
    return FormData() if said is None else FormData({"at": [said[:40]]})


def _subject_page(
    visit: PageRequest, subject: ReportSubject, form: FormData, entered: FormState | None = None
) -> Response:
    def build(connection: Connection, cutoff_ms: int | None) -> Report:
        freeze.require_past(connection, subject)
        return freeze.as_of(connection, subject, cutoff_ms)

    found = _build(visit, build, form, (subject.kind, subject.id))
    found = replace(found, entered=entered, ahead="") if entered else found
    return _page(visit, f"{subject.kind}s/{subject.id}", found, subject)


def _build(visit: PageRequest, build: _Building, form: FormData, subject: tuple[str, int]) -> _Built:
    kept = FormState({"at": form.get("at")})
    size = visit.db.read(report_list.messages, *subject)
    if not form.lists and size > AT_ONCE:
        return _Built(None, kept, waiting=size)
    try:
        at = read_fields.moment(form, "at")
        return _Built(visit.db.read(build, clock.to_ms(at) if at else None), kept)
    except InFuture as error:
        return _Built(None, kept, ahead=error.detail)
    except Conflict as error:  # no statement by then, which is no error
        return _Built(None, kept, error.detail)
    except Invalid as error:
        return _Built(None, refused(Invalid(error.detail, field="at"), form))


def _page(visit: PageRequest, address: str, built: _Built, subject: ReportSubject | None) -> Response:
    versions = visit.db.read(archive.recent, _PIECE, visit.who.carrier, subject) if subject else []
    source, level = _nature(built.report)
    shown: dict[str, Any] = {
        "address": address,
        "subject": subject,
        "versions": versions,
        "report": built.report,
        "cut_off": clock.from_ms(built.report.cutoff_ms) if built.report else None,
        "moments": _moments(visit, subject) if subject else {},
        "missing": built.missing,
        "ahead": built.ahead,
        "waiting": built.waiting,
        "sheets": sheets(built.report) if built.report else [],
        "doubts": _doubts(visit, built.report),
        "source": display_names.SOURCES[source] if source else None,
        "level": display_names.LEVELS[level] if source else None,
        "handset": _handset_sources(visit, built.report),
        "entered": built.entered,
        "freezes": may(visit.who.role, "freeze_report"),
        # Of a run that has not begun there is nothing to keep.
        "begun": not isinstance(built.report, CarrierReport) or built.report.header.started_ms is not None,
    }
    return render(visit, "report.html", built.entered.status, **shown)


def _moments(visit: PageRequest, subject: ReportSubject) -> dict[str, str]:
    """Return the cut-offs that can be chosen, as the form sends them, with their words; the newest first."""
    rows = visit.db.read(snapshots.moments, subject)
    times = [clock.local(clock.from_ms(row.cutoff_at)) for row in rows]
    named = {f"{at:%Y-%m-%dT%H:%M:%S}": f"{at:%d/%m/%Y %H:%M:%S}" for at in times}
    return {"": visit.speaker.say(say("now")), **named} if named else {}


def _doubts(visit: PageRequest, report: Report | None) -> list[FraudSignal]:
    """Return signs that a run's figures are made up, for roles that may see them."""
    if not isinstance(report, CarrierReport | StatedReport) or not may(visit.who.role, "list_doubts"):
        return []
    return visit.db.read(doubts, report.header.run_id, visit.settings.switched_off)


def _handset_sources(visit: PageRequest, report: Report | None) -> list[tuple[str, str | None, date | None]]:
    """Return the links whose receipts prove the telephone in these figures, and who says so."""
    if not isinstance(report, CarrierReport) or report.header.receipt_level != ReceiptLevel.HANDSET:
        return []
    return visit.db.read(link_store.handset_sources, report.header.carrier)


def _nature(report: Report | None) -> tuple[carrier_statement.FigureSource | None, int | None]:
    if isinstance(report, StatedReport):
        return report.statement.kind, report.header.receipt_level
    return (
        (carrier_statement.FigureSource.MEASURED, report.header.receipt_level)
        if isinstance(report, CarrierReport)
        else _MANY
    )


def _other(versions: Sequence[Frozen], report: Frozen, against: int) -> Frozen | None:
    """Return the version to compare with: the requested one, by default the one before."""
    if against:
        found = next((each for each in versions if each.id == against), None)
        if found is None:
            raise no_such("report", against, field="against")
        return found
    return next((each for each in versions if each.version < report.version), None)


def _compared(connection: Connection, other: Frozen, report: Frozen) -> tuple[FigureChange, ...]:
    first, second = sorted((other, report), key=lambda item: item.version)
    before, after = (json.loads(archive.figures(connection, each)) for each in (first, second))
    return differences.differences(before, after)


@dataclass(frozen=True, slots=True)
class ReportTableRow:
    """A row of formatted cells; strong: a total."""

    cells: tuple[str, ...]
    strong: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table. columns: title, and whether its cells are figures; anchor: its id on the page."""

    anchor: str
    title: str
    columns: tuple[tuple[str, bool], ...]
    lines: tuple[ReportTableRow, ...]
    source: str


def sheets(report: Report) -> list[Sheet]:
    """Return the forms for reading: no time steps, no areas of a directive, no runs of a campaign."""
    found = tables_of(report)
    if isinstance(report, CampaignReport):
        return [_sheet(each) for each in found[:1]]
    long = (carrier_tables.STEPS, directive_areas.NAME)
    return [_sheet(each) for each in found if each.name not in long and each.rows]


def _sheet(form: ReportTable) -> Sheet:
    columns = tuple((column.title, column.kind is not CellKind.TEXT) for column in form.columns)
    kinds = [column.kind for column in form.columns]
    lines = tuple(
        ReportTableRow(
            tuple(numbers.shown(kind, value(cell)) for kind, cell in zip(kinds, row.cells, strict=True)),
            row.strong,
        )
        for row in form.rows
    )
    anchor = f"s{hashlib.sha256(form.name.encode()).hexdigest()[:8]}"
    return Sheet(anchor, form.title, columns, lines, form.source)

"""Routes of what others report: a run's statements, their workbook, attachments; addressees and theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection

from app.api import uploads
from app.api.dependencies import Config, Db, Id, Routes, Who
from app.api.idempotency_store import StoredAnswer
from app.api.idempotent_route import Acts, get_if_match
from app.api.if_match import addressees_version
from app.api.uploads import Intake, Taking, answer, file_body, sent
from app.core import clock, hashing
from app.core.carrier_check import check_own
from app.core.errors import Invalid, VersionWanted
from app.database.connection import Database
from app.file_import.form_reader import SIZE_LIMIT
from app.file_import.spool import folder_of
from app.file_import.upload import Upload
from app.reports.figures import addressees, carrier_statement
from app.reports.figures.addressees import Addressee, AddresseeStatus, ChannelTotal, OutreachItem
from app.reports.figures.carrier_statement import FigureSource
from app.reports.figures.document_meta import Attachment, EntrySource
from app.reports.intake import (
    attachments,
    external_activity,
    external_activity_workbook,
    statement_service,
    statement_workbook,
    views,
)
from app.reports.intake.schemas import AddresseeBody, OutreachBody, StatementBody
from app.reports.intake.statement_input import StatementInput
from app.security import Caller, tenant_scope

router = Routes(prefix="/v1", tags=["stated figures"], route_class=Acts)
addressed = Routes(prefix="/v1/directives/{directive_id}", tags=["addressees"], route_class=Acts)
Read = Annotated[str | None, Depends(get_if_match)]

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FOLDER = "uploads"  # leftovers are removed at the next start


def workbook(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type=XLSX, headers=headers)


# ---- Attachments


@router.post("/attachments", status_code=201, response_model=Attachment, openapi_extra=file_body())
async def keep_attachment(request: Request, db: Db, settings: Config, who: Who, taking: Taking) -> Response:
    """Upload a scan (PDF, PNG, JPEG); statements and reports then refer to it by sha256."""
    folder = await run_in_threadpool(folder_of, settings.data, FOLDER)
    limit = settings.attachment_limit_mb * 1_048_576
    async with uploads.taken(request, settings, folder, limit) as upload:

        def kept(connection: Connection) -> StoredAnswer:
            found = attachments.keep(connection, upload.path, upload.file, who.name)
            return answer(201, Attachment, found)

        return sent(await db.awrite(taking.take, upload, kept))


@router.get("/attachments/{sha256}", response_class=Response, responses={200: {"content": {"*/*": {}}}})
def get_attachment(sha256: str, db: Db, who: Who) -> Response:
    """An attachment as uploaded; an operator sees those of its carrier's accounts."""
    kept, content = db.read(attachments.fetch, sha256, who.name, who.carrier)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(attachments.saved_as(kept))}"}
    return Response(content, media_type=kept.media_type, headers=headers)


# ---- Statements


@router.post("/runs/{run_id}/statements", status_code=201)
def state_figures(run_id: Id, body: StatementBody, db: Db, who: Who) -> views.StatementView:
    """State a run's figures; a second statement needs a `reason` and becomes the next version."""
    return db.write(_state, run_id, body.claim(EntrySource.API), who)


@router.get("/runs/{run_id}/statements")
def list_statements(run_id: Id, db: Db, who: Who) -> list[views.StatementView]:
    """Every statement on the run, oldest first."""
    return db.read(_versions, run_id, who.carrier)


@router.get(
    "/runs/{run_id}/statement-form", response_class=Response, responses={200: {"content": {XLSX: {}}}}
)
def get_statement_form(run_id: Id, db: Db, who: Who) -> Response:
    """The workbook in which a carrier states its figures: forms 1 to 4."""
    return workbook(
        statement_workbook.build(db.read(statement_workbook.head, run_id, who.carrier)),
        f"loa-run-{run_id}-form.xlsx",
    )


@router.post(
    "/runs/{run_id}/statement-form",
    status_code=201,
    response_model=views.StatementView,
    openapi_extra=file_body(kind={"enum": ["stated", "manual"]}, attachment={"pattern": hashing.PATTERN}),
)
async def return_statement_form(
    run_id: Id, request: Request, db: Db, settings: Config, who: Who, taking: Taking
) -> Response:
    """Store a filled workbook; each wrong cell is named in Vietnamese with its remedy."""
    await db.aread(tenant_scope.require, who, run_id=run_id)
    folder = await run_in_threadpool(folder_of, settings.data, FOLDER)
    async with uploads.taken(request, settings, folder, SIZE_LIMIT) as upload:
        return sent(await run_in_threadpool(_return_form, db, run_id, upload, who, taking))


def _return_form(
    db: Database, run_id: int, upload: Upload, who: Caller, taking: Intake
) -> tuple[StoredAnswer, bool]:
    if found := db.read(taking.found, upload):
        return found, True
    handed = statement_workbook.Handed(
        _kind(upload.fields.get("kind")), upload.fields.get("attachment") or None
    )
    head, around = (
        db.read(statement_workbook.head, run_id, who.carrier),
        db.read(statement_service.circumstances, run_id),
    )
    claim = statement_workbook.read(upload.path.read_bytes(), head, handed, around)

    def stated_(connection: Connection) -> StoredAnswer:
        return answer(201, views.StatementView, _state(connection, run_id, claim, who))

    return db.write(taking.take, upload, stated_)


def _kind(word: str | None) -> FigureSource:
    if word not in (None, "", "stated", "manual"):
        raise Invalid("The kind must be stated or manual.", field="kind")
    return FigureSource(word or "stated")


def _state(connection: Connection, run_id: int, claim: StatementInput, who: Caller) -> views.StatementView:
    statement_service.state(connection, run_id, claim, who.name, who.carrier)
    return _versions(connection, run_id, who.carrier)[-1]


def _versions(connection: Connection, run_id: int, carrier: str | None) -> list[views.StatementView]:
    statement_service.open_run(connection, run_id, carrier)
    return views.statements(carrier_statement.versions(connection, run_id))


# ---- Addressees


@dataclass(frozen=True, slots=True)
class OutreachView:
    """One version of an addressee's report."""

    addressee: str
    items: tuple[OutreachItem, ...]
    paper: views.PaperView


@dataclass(frozen=True, slots=True)
class StandingView:
    """An addressee, its latest report, when its first arrived, and whether that was late."""

    addressee: Addressee
    report: OutreachView | None
    first_at: datetime | None
    late: bool


@dataclass(frozen=True, slots=True)
class AddresseeStatuses:
    """All addressees but the carriers, and their totals by channel."""

    addressees: list[StandingView]
    channels: list[ChannelTotal]


@addressed.get("/addressees")
def list_addressees(directive_id: Id, db: Db, who: Who, response: Response) -> AddresseeStatuses:
    """Who has reported, who is late, and the totals by channel."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    response.headers["ETag"] = f'"{db.read(addressees_version, directive_id)}"'
    found = db.read(addressees.addressee_statuses, directive_id, clock.now_ms())
    return AddresseeStatuses([_status_view(each) for each in found], addressees.totals(found))


@addressed.put("/addressees")
def set_addressee(
    directive_id: Id, body: AddresseeBody, db: Db, settings: Config, who: Who, read: Read
) -> Addressee:
    """Set an addressee's kind and where to remind it; or add an addressee missing from the directive.

    Replacing an earlier registration needs If-Match with the list's ETag.
    """
    db.read(tenant_scope.require, who, directive_id=directive_id)
    check_own(settings, body.carrier)
    of = Addressee(None, directive_id, body.name, body.kind, body.carrier, body.email)
    if read is None and db.read(external_activity.would_replace, of):
        raise VersionWanted(
            "Someone else has changed this addressee's report. Read GET .../addressees, and send "
            "its ETag as If-Match.",
            field="If-Match",
        )
    return db.write(external_activity.register, of, who.name)


@addressed.post("/reports", status_code=201)
def report_outreach(directive_id: Id, body: OutreachBody, db: Db, who: Who) -> OutreachView:
    """Store an addressee's report; a second one needs a `reason` and becomes the next version."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    return _view(db.write(external_activity.report, directive_id, body.claim(EntrySource.API), who.name))


@addressed.get("/reports")
def list_outreach(directive_id: Id, db: Db, who: Who) -> list[OutreachView]:
    """Every version of every addressee's report."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    found = db.read(addressees.reports, directive_id)
    return [_view(each) for versions in found.values() for each in versions]


@addressed.get("/report-form", response_class=Response, responses={200: {"content": {XLSX: {}}}})
def get_report_form(directive_id: Id, db: Db, who: Who) -> Response:
    """The workbook for addressees' reports: one row per item."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    asked = db.read(addressees.of_directive, directive_id)
    return workbook(
        external_activity_workbook.build(directive_id, asked), f"loa-directive-{directive_id}-form.xlsx"
    )


@addressed.post("/report-form", response_model=list[OutreachView], openapi_extra=file_body())
async def return_report_form(
    directive_id: Id, request: Request, db: Db, settings: Config, who: Who, taking: Taking
) -> Response:
    """Store a filled workbook, whole or not at all; reports that are known already are skipped."""
    await db.aread(tenant_scope.require, who, directive_id=directive_id)
    folder = await run_in_threadpool(folder_of, settings.data, FOLDER)
    async with uploads.taken(request, settings, folder, SIZE_LIMIT) as upload:
        return sent(await run_in_threadpool(_return_reports, db, directive_id, upload, who.name, taking))


def _return_reports(
    db: Database, directive_id: int, upload: Upload, who: str, taking: Intake
) -> tuple[StoredAnswer, bool]:
    if found := db.read(taking.found, upload):
        return found, True
    claims = external_activity_workbook.read(
        upload.path.read_bytes(), db.read(external_activity_workbook.asked_of, directive_id)
    )

    def reported(connection: Connection) -> StoredAnswer:
        kept = external_activity.report_all(connection, directive_id, claims, who)
        return answer(200, list[OutreachView], [_view(each) for each in kept])

    return db.write(taking.take, upload, reported)


def _status_view(status: AddresseeStatus) -> StandingView:
    report = None if status.report is None else _view(status.report)
    return StandingView(status.addressee, report, clock.moment(status.first_ms), status.late)


def _view(outreach: addressees.Outreach) -> OutreachView:
    return OutreachView(outreach.addressee, outreach.items, views.paper(outreach.paper))

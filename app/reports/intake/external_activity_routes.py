"""Routes of other addressees: register, report by body or workbook, status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection

from app.api import uploads
from app.api.dependencies import Config, Db, Id, Routes, Who
from app.api.idempotency_store import StoredAnswer
from app.api.idempotent_route import Acts, get_if_match
from app.api.if_match import addressees_version
from app.api.uploads import Intake, Taking, answer, file_body, sent
from app.core import clock
from app.core.carrier_check import check_own
from app.core.errors import VersionWanted
from app.database.connection import Database
from app.file_import.form_reader import SIZE_LIMIT
from app.file_import.spool import folder_of
from app.file_import.upload import Upload
from app.reports.figures import addressees
from app.reports.figures.addressees import (
    Addressee,
    AddresseeStatus,
    ChannelTotal,
    OutreachItem,
)
from app.reports.figures.document_meta import EntrySource
from app.reports.intake import external_activity, external_activity_workbook, views
from app.reports.intake.routes import FOLDER, XLSX, workbook
from app.reports.intake.schemas import AddresseeBody, OutreachBody
from app.security import tenant_scope

Read = Annotated[str | None, Depends(get_if_match)]
router = Routes(prefix="/v1/directives/{directive_id}", tags=["addressees"], route_class=Acts)


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


@router.get("/addressees")
def list_addressees(directive_id: Id, db: Db, who: Who, response: Response) -> AddresseeStatuses:
    """Who has reported, who is late, and the totals by channel."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    response.headers["ETag"] = f'"{db.read(addressees_version, directive_id)}"'
    found = db.read(addressees.addressee_statuses, directive_id, clock.now_ms())
    return AddresseeStatuses([_status_view(each) for each in found], addressees.totals(found))


@router.put("/addressees")
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


@router.post("/reports", status_code=201)
def report_outreach(directive_id: Id, body: OutreachBody, db: Db, who: Who) -> OutreachView:
    """Store an addressee's report; a second one needs a `reason` and becomes the next version."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    return _view(db.write(external_activity.report, directive_id, body.claim(EntrySource.API), who.name))


@router.get("/reports")
def list_outreach(directive_id: Id, db: Db, who: Who) -> list[OutreachView]:
    """Every version of every addressee's report."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    found = db.read(addressees.reports, directive_id)
    return [_view(each) for versions in found.values() for each in versions]


@router.get("/report-form", response_class=Response, responses={200: {"content": {XLSX: {}}}})
def get_report_form(directive_id: Id, db: Db, who: Who) -> Response:
    """The workbook for addressees' reports: one row per item."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    asked = db.read(addressees.of_directive, directive_id)
    return workbook(
        external_activity_workbook.build(directive_id, asked), f"loa-directive-{directive_id}-form.xlsx"
    )


@router.post("/report-form", response_model=list[OutreachView], openapi_extra=file_body())
async def return_report_form(
    directive_id: Id, request: Request, db: Db, settings: Config, who: Who, taking: Taking
) -> Response:
    """Store a filled workbook, whole or not at all; reports that are known already are skipped."""
    await db.aread(tenant_scope.require, who, directive_id=directive_id)
    folder = await run_in_threadpool(folder_of, settings.data, FOLDER)
    async with uploads.taken(request, settings, folder, SIZE_LIMIT) as upload:
        return sent(await run_in_threadpool(_return_form, db, directive_id, upload, who.name, taking))


def _return_form(
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
    return StandingView(status.addressee, report, views.instant(status.first_ms), status.late)


def _view(outreach: addressees.Outreach) -> OutreachView:
    return OutreachView(outreach.addressee, outreach.items, views.paper(outreach.paper))

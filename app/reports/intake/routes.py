"""Routes of what is uploaded: scans, and workbooks with statements or with reports of addressees."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection

from app.api import uploads
from app.api.dependencies import Config, Db, Id, Routes, Who
from app.api.idempotency_store import StoredAnswer
from app.api.idempotent_route import Acts
from app.api.uploads import Intake, Taking, answer, file_body, sent
from app.core import hashing
from app.core.errors import Invalid
from app.database.connection import Database
from app.file_import.form_reader import SIZE_LIMIT
from app.file_import.spool import folder_of
from app.file_import.upload import Upload
from app.reports.figures.carrier_statement import FigureSource
from app.reports.figures.document_meta import Attachment
from app.reports.intake import (
    attachments,
    external_activity,
    external_activity_workbook,
    statement_service,
    statement_workbook,
    views,
)
from app.reports.intake.addressee_operations import OutreachView, view
from app.reports.intake.statement_operations import keep
from app.security import Caller

router = Routes(prefix="/v1", tags=["stated figures"], route_class=Acts)
addressees = Routes(prefix="/v1", tags=["addressees"], route_class=Acts)

FOLDER = "uploads"  # leftovers are removed at the next start


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
        return answer(201, views.StatementView, keep(connection, run_id, claim, who))

    return db.write(taking.take, upload, stated_)


def _kind(word: str | None) -> FigureSource:
    if word not in (None, "", "stated", "manual"):
        raise Invalid("The kind must be stated or manual.", field="kind")
    return FigureSource(word or "stated")


@addressees.post(
    "/directives/{directive_id}/report-form", response_model=list[OutreachView], openapi_extra=file_body()
)
async def return_report_form(
    directive_id: Id, request: Request, db: Db, settings: Config, who: Who, taking: Taking
) -> Response:
    """Store a filled workbook, whole or not at all; reports that are known already are skipped."""
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
        return answer(200, list[OutreachView], [view(each) for each in kept])

    return db.write(taking.take, upload, reported)

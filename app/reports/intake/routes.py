"""Routes of stated figures: statements of a run, their workbook, attachments."""

from __future__ import annotations

from urllib.parse import quote

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
from app.reports.figures import carrier_statement
from app.reports.figures.carrier_statement import FigureSource
from app.reports.figures.document_meta import Attachment, EntrySource
from app.reports.intake import attachments, statement_service, statement_workbook, views
from app.reports.intake.schemas import StatementBody
from app.reports.intake.statement_input import StatementInput
from app.security import Caller

router = Routes(prefix="/v1", tags=["stated figures"], route_class=Acts)

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FOLDER = "uploads"  # leftovers are removed at the next start


def workbook(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type=XLSX, headers=headers)


# Attachments


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


# Statements


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

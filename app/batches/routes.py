"""API routes of batches that are no operations: the upload of a file, and bad lines as one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from app.api import uploads
from app.api.bodies import CARRIER
from app.api.dependencies import Config, Db, Id, Routes, Who
from app.api.idempotency_store import StoredAnswer
from app.api.uploads import Intake, Taking, answer, sent
from app.batches import queries
from app.batches.importer import RegisteredBatch, folder_of, import_spooled, register
from app.batches.queries import bad_lines_csv
from app.core.carrier_check import check_carrier
from app.database.connection import Database
from app.file_import.spool import in_turn, spool_path
from app.file_import.upload import Upload
from app.security.tenant_scope import named_carrier

router = Routes(prefix="/v1/batches", tags=["batches"])

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "carrier"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "CSV (also .gz) or XLSX, with a column “Số điện thoại” or “phone”",
                        },
                        "carrier": {"type": "string", "pattern": CARRIER, "examples": ["viettel"]},
                        "name": {"type": "string", "description": "what people call it; else the file's"},
                    },
                }
            }
        },
    }
}
_KNOWN: dict[int | str, dict[str, Any]] = {200: {"description": "The same file is known; its batch"}}
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}


@router.post("", status_code=202, response_model=queries.Batch, openapi_extra=_BODY, responses=_KNOWN)
async def upload_batch(request: Request, db: Db, settings: Config, who: Who, taking: Taking) -> Response:
    """Upload a file. It is imported after this answer: follow `state` and `percent` of the batch."""
    folder = await run_in_threadpool(folder_of, settings.data)
    limit = settings.upload_limit_mb * 1_048_576
    async with uploads.taken(request, settings, folder, limit) as upload:
        carrier = named_carrier(who, upload.fields.get("carrier"))
        await run_in_threadpool(check_carrier, settings, carrier)
        registered, answered = await db.awrite(_take, carrier, upload, who.name, taking)
        begin(db, registered, upload, spool_path(folder, carrier, upload.file.sha256))
    return sent(answered)


def _take(
    connection: Connection, carrier: str, upload: Upload, who: str, taking: Intake
) -> tuple[RegisteredBatch, tuple[StoredAnswer, bool]]:
    """Register it every time: a repetition resumes an import that died with its process."""
    registered = register(connection, carrier, upload.named, who)

    def stored_answer(connection: Connection) -> StoredAnswer:
        batch = queries.get(connection, registered.id)
        status = 202 if registered.waiting else 200
        return answer(status, queries.Batch, batch, f"/v1/batches/{registered.id}")

    return registered, taking.take(connection, upload, stored_answer)


def begin(db: Database, registered: RegisteredBatch, upload: Upload, waiting_room: Path) -> None:
    """Move the upload to `waiting_room` and import it in the background, if its batch waits for that."""
    if registered.waiting:
        path = upload.path.replace(waiting_room)
        in_turn(partial(import_spooled, db, registered.id, path))


@router.get("/{batch_id}/bad-lines.csv", response_class=StreamingResponse, responses=_CSV)
def download_bad_lines(batch_id: Id, db: Db, who: Who) -> StreamingResponse:
    """Download all bad lines as CSV for Excel."""
    batch = db.read(queries.get, batch_id, who.carrier)
    lines = bad_lines_csv(queries.all_bad_lines(db.read, batch_id), batch.lines - batch.accepted)
    headers = {"Content-Disposition": f'attachment; filename="batch-{batch.id}-bad-lines.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)

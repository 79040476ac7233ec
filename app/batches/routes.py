"""API routes of batches: upload, import progress, and bad lines."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from app.api import uploads
from app.api.bodies import CARRIER
from app.api.dependencies import Config, Db, Id, Page, Paging, Routes, Since, Who, page_by, page_of
from app.api.idempotency_store import StoredAnswer
from app.api.uploads import Intake, Taking, answer, sent
from app.batches import queries
from app.batches.importer import RegisteredBatch, discard, folder_of, import_spooled, register
from app.batches.queries import bad_lines_csv
from app.core.carrier_check import check_carrier, check_filter
from app.core.errors import Forbidden, Invalid
from app.core.states import BatchState
from app.database.connection import Database
from app.file_import.spool import in_turn, spool_path
from app.file_import.upload import Upload
from app.security import Caller

router = Routes(prefix="/v1/batches", tags=["batches"])

Carrier = Annotated[str | None, Query(description="only of this carrier", examples=["viettel"])]
State = Annotated[BatchState | None, Query(description="only in this state", examples=["ready"])]

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
        carrier = await run_in_threadpool(check_carrier, settings, carrier_of(who, upload))
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


def carrier_of(who: Caller, upload: Upload) -> str:
    """Return the named carrier, or the operator's own. Raises Forbidden for another's."""
    carrier = upload.fields.get("carrier") or who.carrier or ""
    if not carrier:
        raise Invalid("Choose a carrier in the field “carrier”.", field="carrier")
    if who.carrier not in (None, carrier):
        raise Forbidden(
            "Your account can only use batches of {carrier}.", carrier=who.carrier, field="carrier"
        )
    return carrier


async def get_wanted(
    who: Who, carrier: Carrier = None, state: State = None, since: Since = None
) -> queries.BatchFilter:
    """Return the filter of the list. Raises Forbidden for another's carrier."""
    if who.carrier and carrier not in (None, who.carrier):
        raise Forbidden(
            "Your account can only use batches of {carrier}.", carrier=who.carrier, field="carrier"
        )
    return queries.BatchFilter(carrier or who.carrier, state, since)


Wanted = Annotated[queries.BatchFilter, Depends(get_wanted)]


@router.get("")
def list_batches(db: Db, who: Who, settings: Config, paging: Paging, wanted: Wanted) -> Page[queries.Batch]:
    """List batches in order of arrival."""
    found = db.read(queries.listed, paging.after, paging.limit, wanted).items
    check_filter(settings, None if who.carrier else wanted.carrier, found, paging.after)
    return page_of(found, paging)


@router.get("/{batch_id}")
def get_batch(batch_id: Id, db: Db, who: Who) -> queries.Batch:
    """Get one batch; during the import, `percent` is its progress."""
    return db.read(queries.get, batch_id, who.carrier)


@router.delete("/{batch_id}", status_code=204)
def discard_batch(batch_id: Id, db: Db, who: Who) -> None:
    """Put a failed batch out of the way; lists leave it out. The same file later is imported anew."""
    db.write(discard, batch_id, who.name, who.carrier)


@router.get("/{batch_id}/bad-lines")
def list_bad_lines(batch_id: Id, db: Db, who: Who, paging: Paging) -> Page[queries.BadLine]:
    """List lines that gave no subscriber, in the order of the file; `next` is a line number."""
    db.read(queries.get, batch_id, who.carrier)
    lines = db.read(queries.bad_lines_page, batch_id, paging.after, paging.limit)
    return page_by(lines, paging, lambda each: each.line)


@router.get("/{batch_id}/bad-lines.csv", response_class=StreamingResponse, responses=_CSV)
def download_bad_lines(batch_id: Id, db: Db, who: Who) -> StreamingResponse:
    """Download all bad lines as CSV for Excel."""
    batch = db.read(queries.get, batch_id, who.carrier)
    lines = bad_lines_csv(queries.all_bad_lines(db.read, batch_id), batch.lines - batch.accepted)
    headers = {"Content-Disposition": f'attachment; filename="batch-{batch.id}-bad-lines.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)

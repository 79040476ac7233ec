"""The API of stage 1: upload a file, follow its import, see and fetch its bad lines."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from app.api import Config, Db, Id, Page, Paging, Who, page_of
from app.auth import Caller
from app.batches import queries
from app.batches.carriers import check_carrier
from app.batches.export import bad_lines_csv
from app.batches.importer import Registered, register
from app.batches.spool import folder_of, import_spooled, spool_path
from app.batches.upload import Receiver, Upload
from app.config import Settings
from app.db import Database
from app.errors import Forbidden, Invalid
from app.states import BatchState

router = APIRouter(prefix="/v1/batches", tags=["batches"])

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
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "CSV (also .gz) or XLSX, with a column “Số điện thoại” or “phone”",
                        },
                        "carrier": {"type": "string", "examples": ["viettel"]},
                        "name": {"type": "string", "description": "what people call it; else the file's"},
                    },
                }
            }
        },
    }
}
_KNOWN: dict[int | str, dict[str, Any]] = {200: {"description": "The same file is known; its batch"}}
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}


@router.post("", status_code=202, openapi_extra=_BODY, responses=_KNOWN)
async def upload_batch(
    request: Request, response: Response, db: Db, settings: Config, who: Who
) -> queries.Batch:
    """Take a file. It is imported after this answer: follow `state` and `percent` of the batch."""
    folder = await run_in_threadpool(folder_of, settings.data)
    kind, limit = request.headers.get("content-type", ""), settings.upload_limit_mb * 1_048_576
    receiver = await run_in_threadpool(Receiver, folder, kind, limit)
    try:
        async for piece in request.stream():
            await run_in_threadpool(receiver.feed, piece)
        upload = await run_in_threadpool(receiver.finish)
        registered = await run_in_threadpool(_register, db, settings, who, upload)
        if registered.waiting:
            path = upload.path.replace(spool_path(folder, _carrier(who, upload), upload.file.sha256))
            asyncio.get_running_loop().run_in_executor(None, import_spooled, db, registered.id, path)
    finally:
        await run_in_threadpool(receiver.discard)
    response.status_code = 202 if registered.waiting else 200
    response.headers["Location"] = f"/v1/batches/{registered.id}"
    return await db.aread(queries.get, registered.id)


def _register(db: Database, settings: Settings, who: Caller, upload: Upload) -> Registered:
    carrier = check_carrier(settings, _carrier(who, upload))
    file = replace(upload.file, name=upload.fields.get("name") or upload.file.name)
    return db.write(register, carrier, file, who.name)


def _carrier(who: Caller, upload: Upload) -> str:
    """The carrier that was named, or the operator's own; Forbidden for another's."""
    carrier = upload.fields.get("carrier") or who.carrier or ""
    if not carrier:
        raise Invalid("Name the carrier in the field “carrier”.", field="carrier")
    if who.carrier not in (None, carrier):
        raise Forbidden(f"Your key is for batches of {who.carrier} only.", field="carrier")
    return carrier


@router.get("")
def list_batches(
    db: Db, who: Who, paging: Paging, carrier: Carrier = None, state: State = None
) -> Page[queries.Batch]:
    """Batches in the order in which they came."""
    if who.carrier and carrier not in (None, who.carrier):
        raise Forbidden(f"Your key is for batches of {who.carrier} only.", field="carrier")
    only = carrier or who.carrier
    return page_of(db.read(queries.page, paging.after, paging.limit, only, state), paging)


@router.get("/{batch_id}")
def get_batch(batch_id: Id, db: Db, who: Who) -> queries.Batch:
    """One batch; while it is imported, `percent` says how far it is."""
    return db.read(queries.get, batch_id, who.carrier)


@router.get("/{batch_id}/bad-lines")
def list_bad_lines(batch_id: Id, db: Db, who: Who, paging: Paging) -> Page[queries.BadLine]:
    """Lines that gave no subscriber, in the order of the file; `next` is a line number."""
    db.read(queries.get, batch_id, who.carrier)
    lines = db.read(queries.bad_lines_page, batch_id, paging.after, paging.limit)
    return Page(lines, lines[-1].line if len(lines) == paging.limit else None)


@router.get("/{batch_id}/bad-lines.csv", response_class=StreamingResponse, responses=_CSV)
def download_bad_lines(batch_id: Id, db: Db, who: Who) -> StreamingResponse:
    """All bad lines as a file for Excel."""
    batch = db.read(queries.get, batch_id, who.carrier)
    lines = bad_lines_csv(queries.all_bad_lines(db.read, batch_id))
    headers = {"Content-Disposition": f'attachment; filename="batch-{batch.id}-bad-lines.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)

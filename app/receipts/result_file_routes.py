"""API routes of carriers' result files: the upload, and the stream of their lines."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from app.api import uploads
from app.api.dependencies import Config, Db, Id, LedgerDep, Routes, Who
from app.api.idempotency_store import StoredAnswer
from app.api.uploads import Intake, Taking, answer, sent
from app.core import ids
from app.core.errors import Invalid
from app.file_import.spool import in_turn, spool_path
from app.file_import.upload import Upload
from app.receipts.result_files import queries
from app.receipts.result_files.queries import lines_csv
from app.receipts.result_files.register import FileClaim, RegisteredFile, read_level, register
from app.receipts.result_files.result_importer import folder_of, import_spooled
from app.receipts.result_files.status_words import words_of
from app.receipts.result_files.verdicts import ResultVerdict
from app.security import Caller, phone_disclosure
from app.security.phone_disclosure import DisclosurePlace
from app.security.tenant_scope import named_carrier

router = Routes(prefix="/v1/receipt-files", tags=["receipt files"])

Only = Annotated[ResultVerdict | None, Query(description="only lines with this verdict")]

_FIELDS = {
    "file": {
        "type": "string",
        "format": "binary",
        "description": "CSV (also .gz) or XLSX with columns of number, status and time",
    },
    "carrier": {"type": "string", "examples": ["mobifone"], "description": "an operator's own, if left out"},
    "campaign": {
        "type": "integer",
        "minimum": 1,
        "maximum": ids.LARGEST,
        "description": "the one it speaks of; else found by number and time",
    },
    "level": {
        "type": "string",
        "enum": ["operator", "handset"],
        "description": "what it proves by contract; else as much as the link's own receipts",
    },
    "name": {"type": "string", "description": "what people call it; else the file's"},
}
_SCHEMA = {"type": "object", "required": ["file"], "properties": _FIELDS, "additionalProperties": False}
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _SCHEMA}}}
}
_KNOWN: dict[int | str, dict[str, Any]] = {200: {"description": "These bytes are known; their resource"}}
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}


@router.post("", status_code=202, response_model=queries.ReceiptFile, openapi_extra=_BODY, responses=_KNOWN)
async def upload_receipt_file(
    request: Request, db: Db, ledger: LedgerDep, settings: Config, who: Who, taking: Taking
) -> Response:
    """Upload a carrier's result file. It is applied after this answer: follow `state` and `percent`."""
    folder = await run_in_threadpool(folder_of, settings.data)
    limit = settings.upload_limit_mb * 1_048_576
    async with uploads.taken(request, settings, folder, limit) as upload:
        claim = claim_of(who, upload)
        words_of(settings.links.values(), claim.carrier)  # report contradictory settings at once
        known, answered = await db.awrite(_take, claim, upload, who.name, taking)
        if known.waiting:
            path = upload.path.replace(spool_path(folder, claim.carrier, upload.file.sha256))
            in_turn(partial(import_spooled, db, ledger, settings, known.id, path))
    return sent(answered)


def _take(
    connection: Connection, claim: FileClaim, upload: Upload, who: str, taking: Intake
) -> tuple[RegisteredFile, tuple[StoredAnswer, bool]]:
    """Register it every time: a repetition resumes an import that died with its process."""
    known = register(connection, claim, upload.named, who)

    def stored_answer(connection: Connection) -> StoredAnswer:
        found = queries.get(connection, known.id)
        status = 202 if known.waiting else 200
        return answer(status, queries.ReceiptFile, found, f"/v1/receipt-files/{known.id}")

    return known, taking.take(connection, upload, stored_answer)


def claim_of(who: Caller, upload: Upload) -> FileClaim:
    """Return the upload's claim. Raises Forbidden for another carrier's operator."""
    carrier, campaign = named_carrier(who, upload.fields.get("carrier")), upload.fields.get("campaign")
    number = ids.read(campaign) if campaign else None
    if campaign and not number:
        raise Invalid("Choose a campaign from the list, or leave it empty.", field="campaign")
    return FileClaim(carrier, number, read_level(upload.fields.get("level")))


@router.get("/{file_id}/lines.csv", response_class=StreamingResponse, responses=_CSV)
def download_receipt_lines(file_id: Id, db: Db, who: Who, verdict: Only = None) -> StreamingResponse:
    """Download lines as CSV for Excel, then messages without one; full numbers for the carrier's operator."""
    db.read(queries.get, file_id, who.carrier)
    whole = who.carrier is not None  # the numbers are that carrier's own subscribers
    if whole:
        n = db.read(queries.whole_numbers, file_id, verdict)
        db.write(phone_disclosure.note, who.name, DisclosurePlace.RECEIPT_LINES, f"receipt-file/{file_id}", n)
    pieces = lines_csv(queries.everything(db.read, file_id, verdict, whole=whole))
    headers = {"Content-Disposition": f'attachment; filename="receipt-file-{file_id}-lines.csv"'}
    return StreamingResponse(pieces, media_type="text/csv; charset=utf-8", headers=headers)

"""API routes of a run's unknown and failed deliveries as files; decisions are operations (decisions.py)."""

from __future__ import annotations

from typing import Any

from fastapi.responses import StreamingResponse

from app.api.dependencies import Db, Id, Routes, Who
from app.dispatch import failed_export, unknown_decisions, unknown_export
from app.security import phone_disclosure
from app.security.phone_disclosure import DisclosurePlace

router = Routes(tags=["dispatch"])
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}


@router.get("/v1/runs/{run_id}/unknown.csv", response_class=StreamingResponse, responses=_CSV)
def download_unknown(run_id: Id, db: Db, who: Who) -> StreamingResponse:
    """Download what is still unknown as CSV, to ask the carrier; full numbers for the carrier's operator."""
    db.read(unknown_decisions.find_run, run_id, who.carrier)
    whole = who.carrier is not None  # the numbers are that carrier's own subscribers
    if whole:
        n = db.read(unknown_export.count, run_id)
        db.write(phone_disclosure.note, who.name, DisclosurePlace.UNKNOWN_LIST, f"run/{run_id}", n)
    headers = {"Content-Disposition": f'attachment; filename="run-{run_id}-unknown.csv"'}
    pieces = unknown_export.carrier_list(db, run_id, whole=whole)
    return StreamingResponse(pieces, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/v1/runs/{run_id}/failed.csv", response_class=StreamingResponse, responses=_CSV)
def download_failed(run_id: Id, db: Db, who: Who) -> StreamingResponse:
    """Download the run's failed messages as CSV with full numbers, as the carrier's operator."""
    run = db.read(unknown_decisions.find_run, run_id, who.carrier)
    n = db.read(failed_export.count, run)
    db.write(phone_disclosure.note, who.name, DisclosurePlace.FAILED_LIST, f"run/{run_id}", n)
    headers = {"Content-Disposition": f'attachment; filename="run-{run_id}-failed.csv"'}
    pieces = failed_export.carrier_list(db, run)
    return StreamingResponse(pieces, media_type="text/csv; charset=utf-8", headers=headers)

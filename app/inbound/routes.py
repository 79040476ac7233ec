"""API route of the scams that citizens have reported, as a stream with whole numbers."""

from __future__ import annotations

from typing import Any

from fastapi.responses import StreamingResponse

from app.api.dependencies import Db, Routes, Who
from app.inbound import scam_reports
from app.security import phone_disclosure
from app.security.phone_disclosure import DisclosurePlace

router = Routes(prefix="/v1/inbound-messages", tags=["inbound messages"])

_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


@router.get("/scam-reports.csv", response_class=StreamingResponse, responses=_CSV)
def download_scam_reports(db: Db, who: Who) -> StreamingResponse:
    """Download the reports as CSV with whole numbers, for those who investigate; the audit says so."""
    n = db.read(scam_reports.count)
    db.write(phone_disclosure.note, who.name, DisclosurePlace.SCAM_REPORTS, "inbound", n)
    headers = {"Content-Disposition": 'attachment; filename="scam-reports.csv"'}
    pieces = scam_reports.export(db, whole=True)
    return StreamingResponse(pieces, media_type="text/csv; charset=utf-8", headers=headers)

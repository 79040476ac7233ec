"""API route of an erasure's certificate as a text; other acts of privacy are operations."""

from __future__ import annotations

from fastapi.responses import PlainTextResponse

from app.api.dependencies import Db, Id, Routes
from app.privacy import certificates

router = Routes(prefix="/v1", tags=["privacy"])


@router.get("/erasures/{erasure_id}/text", response_class=PlainTextResponse)
def print_erasure(erasure_id: Id, db: Db) -> PlainTextResponse:
    """Get the certificate to print and file, in Vietnamese."""
    return PlainTextResponse(certificates.text(db.read(certificates.get, erasure_id)) + "\n")

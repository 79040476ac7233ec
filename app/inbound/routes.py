"""API routes of inbound messages, and of the scams that are reported by them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import StreamingResponse

from app.api.dependencies import Config, Db, Page, Paging, Routes, Who, page_of
from app.core.carrier_check import check_filter
from app.core.errors import Forbidden
from app.inbound import queries, scam_reports
from app.inbound.queries import InboundMessageView
from app.inbound.reply_kinds import ReplyKind
from app.inbound.scam_reports import ScamReportCount
from app.security import phone_disclosure
from app.security.phone_disclosure import DisclosurePlace

router = Routes(prefix="/v1/inbound-messages", tags=["inbound messages"])

Carrier = Annotated[str | None, Query(description="only of this carrier", examples=["viettel"])]
Kind = Annotated[ReplyKind | None, Query(description="only of this kind")]
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


@router.get("")
def list_inbound_messages(
    db: Db, who: Who, settings: Config, paging: Paging, carrier: Carrier = None, kind: Kind = None
) -> Page[InboundMessageView]:
    """List what was sent to us over the links, numbers masked; an operator sees its own carrier's.

    Continue after the last `id`: none is ever inserted before one that was listed.
    """
    if who.carrier is not None and carrier not in (None, who.carrier):
        raise Forbidden("Your account can only be used for {carrier}.", carrier=who.carrier, field="carrier")
    found = db.read(queries.listed, paging.after, paging.limit, who.carrier or carrier, kind).items
    check_filter(settings, carrier, found, paging.after)
    return page_of(found, paging)


@router.get("/scam-reports")
def count_scam_reports(db: Db, who: Who) -> list[ScamReportCount]:
    """Count the scams that citizens have reported (LD, S or V with number and content), by day and area."""
    return db.read(scam_reports.counts, who.carrier)


@router.get("/scam-reports.csv", response_class=StreamingResponse, responses=_CSV)
def download_scam_reports(db: Db, who: Who) -> StreamingResponse:
    """Download the reports as CSV with whole numbers, for those who investigate; the audit says so."""
    n = db.read(scam_reports.count)
    db.write(phone_disclosure.note, who.name, DisclosurePlace.SCAM_REPORTS, "inbound", n)
    headers = {"Content-Disposition": 'attachment; filename="scam-reports.csv"'}
    pieces = scam_reports.export(db, whole=True)
    return StreamingResponse(pieces, media_type="text/csv; charset=utf-8", headers=headers)

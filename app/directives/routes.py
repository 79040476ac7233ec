"""API routes of what is downloaded: the order as a document, and the kit."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query, Response

from app.api.dependencies import Config, Db, Id, Routes, Who
from app.api.idempotent_route import Acts
from app.campaigns import queries
from app.campaigns.carrier_orders import order
from app.directives import kit, order_document
from app.reports.export.formats import MEDIA_TYPES, PAPERS, Format
from app.reports.forms import letterhead

PaperForm = Annotated[Literal["docx", "pdf"], Query(alias="format")]

router = Routes(prefix="/v1", tags=["deadline"], route_class=Acts)
kit_router = Routes(prefix="/v1", tags=["publication"], route_class=Acts)
_ZIP = "application/zip"


@router.get("/runs/{run_id}/order/paper", response_class=Response, responses={200: {"content": {"*/*": {}}}})
def get_order_paper(run_id: Id, db: Db, settings: Config, who: Who, form: PaperForm = "docx") -> Response:
    """Get the order to a carrier that sends to its own subscribers, as a document to edit (docx) or read."""
    db.read(queries.run, run_id, who.carrier)
    paper = order_document.compose(db.read(order, run_id), letterhead.load(settings.letterheads))
    headers = {"Content-Disposition": f'attachment; filename="loa-run-{run_id}-order.{form}"'}
    return Response(PAPERS[Format(form)](paper), media_type=MEDIA_TYPES[Format(form)], headers=headers)


@kit_router.get(
    "/campaigns/{campaign_id}/kit", response_class=Response, responses={200: {"content": {_ZIP: {}}}}
)
def get_kit(campaign_id: Id, db: Db, settings: Config, who: Who) -> Response:
    """Get the approved text for every other channel: SMS forms, page, poster, letter."""
    packed = kit.build(db.read(kit.read, campaign_id, settings))
    headers = {"Content-Disposition": f'attachment; filename="{kit.file_name(campaign_id)}"'}
    return Response(packed, media_type=_ZIP, headers=headers)

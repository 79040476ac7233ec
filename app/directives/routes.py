"""API routes of deadlines: a directive's status, the order as a document, and notices; and of the kit."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query, Response
from pydantic import BaseModel, Field

from app.api.bodies import Receiver, StrictBody
from app.api.dependencies import Config, Db, Id, Page, Paging, Routes, Who, page_of
from app.api.idempotent_route import Acts
from app.campaigns import queries
from app.campaigns.carrier_orders import order
from app.core import clock
from app.directives import kit, order_document
from app.directives.status import Status, status
from app.notifications import outbox
from app.notifications.outbox import NoticeState, NoticeView
from app.reports.export.formats import MEDIA_TYPES, PAPERS, Format
from app.reports.forms import letterhead
from app.security import tenant_scope

PaperForm = Annotated[Literal["docx", "pdf"], Query(alias="format")]

router = Routes(prefix="/v1", tags=["deadline"], route_class=Acts)
kit_router = Routes(prefix="/v1", tags=["publication"], route_class=Acts)
_ZIP = "application/zip"


@router.get("/directives/{directive_id}/status")
def get_status(directive_id: Id, db: Db, who: Who) -> Status:
    """Get the time left, every run against the deadline, who has reported, and what is missing from whom."""
    db.read(tenant_scope.require, who, directive_id=directive_id)
    return db.read(status, directive_id, clock.now())


@router.get("/runs/{run_id}/order/paper", response_class=Response, responses={200: {"content": {"*/*": {}}}})
def get_order_paper(run_id: Id, db: Db, settings: Config, who: Who, form: PaperForm = "docx") -> Response:
    """Get the order to a carrier that sends to its own subscribers, as a document to edit (docx) or read."""
    db.read(queries.run, run_id, who.carrier)
    paper = order_document.compose(db.read(order, run_id), letterhead.load(settings.letterheads))
    headers = {"Content-Disposition": f'attachment; filename="loa-run-{run_id}-order.{form}"'}
    return Response(PAPERS[Format(form)](paper), media_type=MEDIA_TYPES[Format(form)], headers=headers)


@router.get("/notices")
def list_notices(db: Db, who: Who, paging: Paging, state: NoticeState | None = None) -> Page[NoticeView]:
    """List reminders and events by e-mail and webhook: sent, waiting, or failed with the reason."""
    return page_of(db.read(outbox.listed, paging.after, paging.limit, state).items, paging)


class FailedNotices(StrictBody):
    """Whose failed notices: an endpoint's name, or an e-mail address."""

    target: Receiver = Field(examples=["desk"])


class Replayed(BaseModel):
    """How many notices will be sent again."""

    notices: int


@router.post("/notices/replay", status_code=202)
def replay_failed_notices(body: FailedNotices, db: Db, who: Who) -> Replayed:
    """Send all failed notices to one receiver once more, such as after its address was corrected."""
    return Replayed(notices=db.write(outbox.replay_failed, body.target, who.name))


@router.post("/notices/{notice_id}/replay", status_code=202)
def replay_notice(notice_id: Id, db: Db, who: Who) -> dict[str, int]:
    """Send a notice once more, under the same webhook-id, so that its receiver recognises it."""
    db.write(outbox.replay, notice_id, who.name)
    return {"id": notice_id}


@kit_router.get(
    "/campaigns/{campaign_id}/kit", response_class=Response, responses={200: {"content": {_ZIP: {}}}}
)
def get_kit(campaign_id: Id, db: Db, settings: Config, who: Who) -> Response:
    """Get the approved text for every other channel: SMS forms, page, poster, letter."""
    db.read(tenant_scope.require, who, campaign_id=campaign_id)
    packed = kit.build(db.read(kit.read, campaign_id, settings))
    headers = {"Content-Disposition": f'attachment; filename="{kit.file_name(campaign_id)}"'}
    return Response(packed, media_type=_ZIP, headers=headers)

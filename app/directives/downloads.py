"""Operations that give files: the order to a carrier as a document, and the kit of an approved text."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.campaigns import queries
from app.campaigns.carrier_orders import order
from app.core.ids import Number
from app.operations import Download, Work, operation
from app.security.roles import EVERYBODY, OFFICE

PaperForm = Annotated[Literal["docx", "pdf"], Field(alias="format")]

TAG = "deadline"
_ZIP = "application/zip"


@operation("GET /v1/runs/{run_id}/order/paper", roles=EVERYBODY, files={"content": {"*/*": {}}})
def get_order_paper(work: Work, run_id: Number, form: PaperForm = "docx") -> Download:
    """Get the order to a carrier that sends to its own subscribers, as a document to edit (docx) or read."""
    from app.directives import order_document  # with the next ones slow to import
    from app.reports.export.formats import MEDIA_TYPES, PAPERS, Format
    from app.reports.forms import letterhead

    work.db.read(queries.run, run_id, work.who.carrier)
    paper = order_document.compose(work.db.read(order, run_id), letterhead.load(work.settings.letterheads))
    kind = Format(form)
    return Download(PAPERS[kind](paper), f"loa-run-{run_id}-order.{form}", MEDIA_TYPES[kind])


@operation(
    "GET /v1/campaigns/{campaign_id}/kit",
    roles=OFFICE,
    command="campaign kit",
    files={"content": {_ZIP: {}}},
    tag="publication",
)
def get_kit(work: Work, campaign_id: Number) -> Download:
    """Get the approved text for every other channel: SMS forms, page, poster, letter."""
    from app.directives import kit  # slow to import

    packed = kit.build(work.db.read(kit.read, campaign_id, work.settings))
    return Download(packed, kit.file_name(campaign_id), _ZIP)

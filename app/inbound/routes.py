"""API routes of inbound messages."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from app.api.dependencies import Config, Db, Page, Paging, Routes, Who, page_of
from app.core.errors import Forbidden
from app.core.known_carriers import check_filter
from app.inbound import queries
from app.inbound.queries import InboundMessageView

router = Routes(prefix="/v1/inbound-messages", tags=["inbound messages"])

Carrier = Annotated[str | None, Query(description="only of this carrier", examples=["viettel"])]


@router.get("")
def list_inbound_messages(
    db: Db, who: Who, settings: Config, paging: Paging, carrier: Carrier = None
) -> Page[InboundMessageView]:
    """List what was sent to us over the links, numbers masked; an operator sees its own carrier's.

    Continue after the last `id`: none is ever inserted before one that was listed.
    """
    if who.carrier is not None and carrier not in (None, who.carrier):
        raise Forbidden(f"Your key is for {who.carrier} only.", field="carrier")
    found = db.read(queries.page, paging.after, paging.limit, who.carrier or carrier)
    check_filter(settings, carrier, found, paging.after)
    return page_of(found, paging)

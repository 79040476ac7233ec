"""Messages from subscribers, newest first, numbers masked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Response
from sqlalchemy import Connection

from app.api.dependencies import Routes
from app.database.listing import ListPart
from app.inbound import queries
from app.inbound.queries import InboundMessageView
from app.web.forms.list_query import ListQuery, list_view
from app.web.rendering import Visit, render

router = Routes(include_in_schema=False)
ON_A_PAGE = 50


@router.get("/inbound")
async def page_inbound(visit: Visit, query: Annotated[ListQuery, Depends()], carrier: str = "") -> Response:
    """List messages, newest first; an operator sees its own carrier's."""
    asked = visit.who.carrier or carrier[:40]

    def work(connection: Connection) -> tuple[Sequence[str], str, ListPart[InboundMessageView]]:
        known = [] if visit.who.carrier else queries.carriers_of(connection)
        only = asked if visit.who.carrier or asked in known else ""
        found = queries.listed(connection, query.request(["came"]), ON_A_PAGE, only or None)
        return known, only, found

    known, only, found = await visit.db.aread(work)
    shown = list_view(visit, query, found, {"carrier": "" if visit.who.carrier else only})
    days = visit.settings.retention_days
    return render(visit, "inbound.html", list=shown, carriers=known, days=days)

"""Messages from subscribers, newest first, numbers masked."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from sqlalchemy import Connection

from app.api.dependencies import Routes
from app.inbound import queries
from app.web import query_params
from app.web.rendering import Visit, render

router = Routes(include_in_schema=False)
ON_A_PAGE = 50


@router.get("/inbound")
async def page_inbound(visit: Visit, carrier: str = "", after: str = "") -> Response:
    """List messages, newest first, below the id `after`; an operator sees its own carrier's."""
    asked = visit.who.carrier or carrier[:40]
    below = query_params.number(after) or query_params.LARGEST

    def work(connection: Connection) -> dict[str, Any]:
        known = [] if visit.who.carrier else queries.carriers_of(connection)
        only = asked if visit.who.carrier or asked in known else ""
        found = queries.newest(connection, below, ON_A_PAGE, only or None)
        return {"entries": found, "carriers": known, "asked": only}

    found = await visit.db.aread(work)
    following = found["entries"][-1].id if len(found["entries"]) == ON_A_PAGE else None
    days = visit.settings.retention_days
    return render(visit, "inbound.html", next=following, days=days, **found)

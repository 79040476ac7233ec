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
from app.inbound.reply_kinds import ReplyKind
from app.web.forms.list_query import ListQuery, list_view
from app.web.rendering import Visit, render
from app.web.translations import Said, say

router = Routes(include_in_schema=False)
ON_A_PAGE = 50
KINDS: dict[str, Said] = {
    ReplyKind.OPT_OUT: say("wants no more messages"),
    ReplyKind.REPORT: say("reports a scam"),
    ReplyKind.OTHER: say("something else: read it"),
}


@router.get("/inbound")
async def page_inbound(
    visit: Visit, query: Annotated[ListQuery, Depends()], carrier: str = "", kind: str = ""
) -> Response:
    """List messages, newest first; an operator sees its own carrier's."""
    asked, of_kind = visit.who.carrier or carrier[:40], kind if kind in KINDS else ""

    def work(connection: Connection) -> tuple[Sequence[str], str, ListPart[InboundMessageView]]:
        known = [] if visit.who.carrier else queries.carriers_of(connection)
        only = asked if visit.who.carrier or asked in known else ""
        found = queries.listed(
            connection,
            query.request(["came"]),
            ON_A_PAGE,
            only or None,
            ReplyKind(of_kind) if of_kind else None,
        )
        return known, only, found

    known, only, found = await visit.db.aread(work)
    shown = list_view(visit, query, found, {"carrier": "" if visit.who.carrier else only, "kind": of_kind})
    days = visit.settings.retention_days
    return render(visit, "inbound.html", list=shown, carriers=known, days=days, kinds=KINDS)

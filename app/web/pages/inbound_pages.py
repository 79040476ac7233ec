"""Messages from subscribers, newest first, numbers masked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import Depends, Response
from sqlalchemy import Connection

from app.api.dependencies import Routes
from app.core import clock
from app.inbound import queries
from app.inbound.reply_kinds import ReplyKind
from app.web.forms.list_export import ListFile, carrier_name, list_file, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.rendering import Visit, render
from app.web.translations import Said, say

router = Routes(include_in_schema=False)
ON_A_PAGE = 50
SEARCHED_DAYS = 31  # in which words are looked for: no index has them
KINDS: dict[str, Said] = {
    ReplyKind.OPT_OUT: say("wants no more messages"),
    ReplyKind.REPORT: say("reports a scam"),
    ReplyKind.CHECK: say("asks whether a text is genuine"),
    ReplyKind.OTHER: say("something else: read it"),
}
FILE = ListFile(
    "inbound",
    {
        say("Entry number"): "id",
        say("Came at"): "received_at",
        say("From"): "phone",
        say("Sent to"): "destination",
        say("Text"): "text",
        say("What it asks for"): lambda each, speaker: speaker.say(KINDS[each.kind]) if each.kind else "",
        say("Carrier"): carrier_name,
        say("Link"): "link",
    },
)


@router.get("/inbound")
async def page_inbound(
    visit: Visit, query: Annotated[ListQuery, Depends()], carrier: str = "", kind: str = ""
) -> Response:
    """List messages, newest first; an operator sees its own carrier's."""
    query = _searchable(query)
    asked, of_kind = visit.who.carrier or carrier[:40], kind if kind in KINDS else ""

    def carriers(connection: Connection) -> tuple[Sequence[str], str]:
        known = [] if visit.who.carrier else queries.carriers_of(connection)
        return known, asked if visit.who.carrier or asked in known else ""

    known, only = await visit.db.aread(carriers)
    read = partial(queries.listed, carrier=only or None, kind=ReplyKind(of_kind) if of_kind else None)
    request = query.request(["came"])
    if wants_file(query):
        return list_file(visit, FILE, request, read)
    found = await visit.db.aread(read, request, ON_A_PAGE)
    shown = list_view(visit, query, found, {"carrier": "" if visit.who.carrier else only, "kind": of_kind})
    days = visit.settings.retention_days
    return render(
        visit,
        "inbound.html",
        list=shown,
        carriers=known,
        days=days,
        kinds=KINDS,
        searched=SEARCHED_DAYS,
    )


def _searchable(query: ListQuery) -> ListQuery:
    """Keep a search to words without digits, which would find masked numbers out, and to so many days."""
    words = " ".join(word for word in query.q.split() if not any(map(str.isnumeric, word)))
    if not words:
        return query.model_copy(update={"q": ""})
    asked = query.request()
    until_ms = asked.until_ms or clock.now_ms()
    first = max(asked.since_ms, until_ms - SEARCHED_DAYS * clock.DAY_MS)
    day = clock.moment(first).date()
    return query.model_copy(update={"q": words, "since": day.isoformat()})

"""Messages from subscribers, newest first, numbers masked; the numbers that runs leave out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Response
from sqlalchemy import Connection

from app.api.dependencies import Routes
from app.core import clock
from app.core.errors import Invalid
from app.inbound import queries
from app.inbound.reply_kinds import ReplyKind
from app.privacy import do_not_send, operations
from app.privacy.do_not_send import Changed
from app.privacy.operations import Numbers
from app.security.roles import may
from app.security.tenant_scope import named_carrier
from app.web import query_params
from app.web.forms.list_export import ListFile, carrier_name, list_file, wants_file
from app.web.forms.list_query import UNASKED, ListQuery, list_view
from app.web.operation_forms import add_forms
from app.web.rendering import (
    FormData,
    FormState,
    PageRequest,
    Visit,
    redirect_with_flash,
    render,
)
from app.web.translations import Said, say

router = Routes(include_in_schema=False)
ON_A_PAGE = 50
SEARCHED_DAYS = 31  # in which words are looked for: no index has them
KINDS: dict[str, Said] = {
    ReplyKind.OPT_OUT: say("wants no more messages"),
    ReplyKind.REPORT: say("reports a scam"),
    ReplyKind.CHECK: say("asks whether a text is genuine"),
    ReplyKind.OTHER: say("other: please read"),
}
FILE = ListFile(
    "inbound",
    {
        say("Entry number"): "id",
        say("Received at"): "received_at",
        say("From"): "phone",
        say("Sent to"): "destination",
        say("Text"): "text",
        say("What it asks for"): lambda row, speaker: speaker.say(KINDS[row.kind]) if row.kind else "",
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


NUMBERS_ON_A_PAGE = 100
OPT_OUTS_FILE = ListFile(
    "do-not-send",
    {
        say("Phone number"): "phone",
        say("Carrier"): carrier_name,
        say("Since"): "added_at",
        say("Entered by"): "added_by",
    },
)
_BETWEEN = re.compile(r"[\n,;]+")
_SHOWN = 20  # unreadable places listed

_ADDED: tuple[Said, Said] = (
    say("{n} numbers were added to the list; {known} were already on it."),
    say(
        "{n} numbers were added to the list; {known} were already on it. Not readable, by position: {places}."
    ),
)
_REMOVED: tuple[Said, Said] = (
    say("{n} numbers were removed from the list; {known} were not on it."),
    say(
        "{n} numbers were removed from the list; {known} were not on it. Not readable, by position: {places}."
    ),
)


@router.get("/do-not-send")
async def page_opt_outs(visit: Visit, query: Annotated[ListQuery, Depends()], carrier: str = "") -> Response:
    """List entries, newest first; an operator sees its own carrier's."""
    only = visit.who.carrier or carrier[:40]
    if wants_file(query):
        asked = query.request(["since"])
        return list_file(visit, OPT_OUTS_FILE, asked, partial(do_not_send.listed, carrier=only or None))
    return await _opt_outs(visit, FormState(), only, query)


def _changed(flash: tuple[Said, Said], visit: PageRequest, answer: Changed, body: Numbers) -> Response:
    values: dict[str, str | int] = {"n": answer.changed, "known": answer.unchanged}
    if answer.refused:
        places = [str(each.place) for each in answer.refused[:_SHOWN]]
        values["places"] = ", ".join(places) + (" …" if len(answer.refused) > _SHOWN else "")
    place = f"/do-not-send?carrier={named_carrier(visit.who, body.carrier)}"
    return redirect_with_flash(visit, place, flash[bool(answer.refused)], **values)


def _body(fields: FormData) -> dict[str, Any]:
    """Split the numbers by line or comma; an unreadable one is named by its place, never repeated."""
    numbers = [each.strip() for each in _BETWEEN.split(fields.get("numbers")) if each.strip()]
    if not numbers:
        raise Invalid("Enter at least one number, one per line.", field="numbers")
    if any(len(each) > do_not_send.LONGEST for each in numbers):
        raise Invalid("Enter each number on its own line.", field="numbers")
    if len(numbers) > do_not_send.MOST:
        raise Invalid("Enter at most {most} numbers at once.", most=do_not_send.MOST, field="numbers")
    return {"carrier": fields.get("carrier") or None, "numbers": numbers}


async def _opt_outs(
    visit: PageRequest, entered: FormState, carrier: str = "", query: ListQuery = UNASKED
) -> Response:
    carrier = visit.who.carrier or carrier
    found = await visit.db.aread(
        do_not_send.listed, query.request(["since"]), NUMBERS_ON_A_PAGE, carrier or None
    )
    shown = list_view(visit, query, found, {"carrier": "" if visit.who.carrier else carrier})
    known = {} if visit.who.carrier else query_params.carriers(visit.settings)
    values = {"carriers": known, "changes": may(visit.who.role, "add_do_not_send")}
    return render(visit, "opt_outs.html", entered.status, list=shown, entered=entered, **values)


add_forms(
    router,
    operations,
    only={"add_do_not_send": _opt_outs, "remove_do_not_send": _opt_outs},
    reads={"add_do_not_send": _body, "remove_do_not_send": _body},
    shows={"add_do_not_send": partial(_changed, _ADDED), "remove_do_not_send": partial(_changed, _REMOVED)},
)

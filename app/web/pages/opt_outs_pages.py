"""Do-not-send lists by carrier: entries, add and remove numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import Depends, Response

from app.api.bodies import filled
from app.api.dependencies import Routes
from app.core.carrier_check import check_carrier
from app.core.errors import AppError, Forbidden, Invalid
from app.privacy import do_not_send
from app.privacy.do_not_send import Changed
from app.privacy.routes import Numbers, named
from app.security.roles import may
from app.web import query_params
from app.web.forms.list_export import ListFile, carrier_name, list_file, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.rendering import (
    Fields,
    FormData,
    FormState,
    PageRequest,
    Visit,
    redirect_with_flash,
    refused,
    render,
)
from app.web.translations import Said, say

router = Routes(include_in_schema=False)
ON_A_PAGE = 100
FILE = ListFile(
    "do-not-send",
    {
        say("Telephone"): "phone",
        say("Carrier"): carrier_name,
        say("Since"): "added_at",
        say("Entered by"): "added_by",
    },
)
_BETWEEN = re.compile(r"[\n,;]+")
_SHOWN = 20  # unreadable places listed

_ADDED: tuple[Said, Said] = (
    say("{n} numbers are on the list now; {known} were on it before."),
    say("{n} numbers are on the list now; {known} were on it before. Not read, by their place: {places}."),
)
_REMOVED: tuple[Said, Said] = (
    say("{n} numbers are off the list; {known} were not on it."),
    say("{n} numbers are off the list; {known} were not on it. Not read, by their place: {places}."),
)


@router.get("/do-not-send")
async def page_opt_outs(visit: Visit, query: Annotated[ListQuery, Depends()], carrier: str = "") -> Response:
    """List entries, newest first; an operator sees its own carrier's."""
    only = visit.who.carrier or carrier[:40]
    if wants_file(query):
        asked = query.request(["since"])
        return list_file(visit, FILE, asked, partial(do_not_send.listed, carrier=only or None))
    return await _page(visit, only, query, FormState())


@router.post("/do-not-send/add")
async def page_do_add_do_not_send(visit: Visit, fields: Fields) -> Response:
    """Add numbers as POST /v1/do-not-send does."""
    return await _change(visit, fields, do_not_send.add, _ADDED)


@router.post("/do-not-send/remove")
async def page_do_remove_do_not_send(visit: Visit, fields: Fields) -> Response:
    """Remove numbers as POST /v1/do-not-send/remove does."""
    return await _change(visit, fields, do_not_send.remove, _REMOVED)


async def _change(
    visit: PageRequest, fields: FormData, verb: Callable[..., Changed], flash: tuple[Said, Said]
) -> Response:
    try:
        body = _body(fields)
        carrier = check_carrier(visit.settings, named(visit.who, body.carrier))
        work = partial(verb, carrier=carrier, numbers=body.numbers, who=visit.who.name)
        done = await visit.db.awrite(work)
    except (Forbidden, Invalid) as error:
        return await _page(visit, visit.who.carrier or "", ListQuery(), refused(error, fields, "numbers"))
    values: dict[str, str | int] = {"n": done.changed, "known": done.unchanged}
    if done.refused:
        places = [str(each.place) for each in done.refused[:_SHOWN]]
        values["places"] = ", ".join(places) + (" …" if len(done.refused) > _SHOWN else "")
    return redirect_with_flash(visit, f"/do-not-send?carrier={carrier}", flash[bool(done.refused)], **values)


def _body(fields: FormData) -> Numbers:
    """Split the numbers by line or comma; an unreadable one is named by its place, never repeated."""
    numbers = [each.strip() for each in _BETWEEN.split(fields.get("numbers")) if each.strip()]
    if not numbers:
        raise Invalid("Enter a number, one on each line.", field="numbers")
    if any(len(each) > do_not_send.LONGEST for each in numbers):
        raise Invalid("Put each number on a line of its own.", field="numbers")
    try:
        return filled(Numbers, {"carrier": fields.get("carrier") or None, "numbers": numbers})
    except AppError as error:
        raise Invalid(f"At most {do_not_send.MOST} numbers at once.", field="numbers") from error


async def _page(visit: PageRequest, carrier: str, query: ListQuery, entered: FormState) -> Response:
    found = await visit.db.aread(do_not_send.listed, query.request(["since"]), ON_A_PAGE, carrier or None)
    shown = list_view(visit, query, found, {"carrier": "" if visit.who.carrier else carrier})
    known = {} if visit.who.carrier else query_params.carriers(visit.settings)
    values = {"carriers": known, "changes": may(visit.who.role, "add_do_not_send")}
    return render(visit, "opt_outs.html", entered.status, list=shown, entered=entered, **values)

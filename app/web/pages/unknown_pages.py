"""Messages of a run that are unknown or rejected: list, resend, write off."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, cast

from fastapi import Response
from sqlalchemy import Connection, Row

from app.api.dependencies import Id, Routes
from app.campaigns import queries
from app.campaigns.queries import RunSummary
from app.core import clock
from app.core.errors import AppError, Invalid
from app.core.phone import mask
from app.core.states import REASON_NAMES
from app.database.listing import ListPart
from app.dispatch import rejected_orders, unknown_decisions
from app.ledger.ledger import Ledger
from app.security.roles import may
from app.web import query_params
from app.web.forms.list_query import UNASKED, ListQuery, ListView, list_view
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
from app.web.translations import say
from app.web.view_models import delivery_labels
from carriers.contract import Reason

router = Routes(include_in_schema=False)
ON_A_PAGE = 50
_LINE = re.compile("([0-9]{1,9})-([0-9]{1,9})")
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class UnknownDeliveryView:
    """A delivery of unknown outcome; the phone is masked."""

    campaign_id: int
    batch_id: int
    line: int
    phone: str
    since: datetime
    why: str
    written_off_by: str | None


@dataclass(frozen=True, slots=True)
class UnknownList:
    run: RunSummary
    part: ListPart[UnknownDeliveryView]


def listing(connection: Connection, run_id: int, carrier: str | None, after: str) -> UnknownList:
    """Return the run's unknown deliveries after `after` (<batch>-<line>); raises NotFound."""
    run, place = queries.run(connection, run_id, carrier), _LINE.fullmatch(after)
    begin = (int(place[1]), int(place[2])) if place else (0, 0)
    items = [_lost(row) for row in unknown_decisions.listed(connection, run_id, begin, ON_A_PAGE)]
    more, total = len(items) == ON_A_PAGE, unknown_decisions.how_many(connection, run_id)
    return UnknownList(run, ListPart(items, total, f"{items[-1].batch_id}-{items[-1].line}" if more else ""))


def _lost(row: Row[Any]) -> UnknownDeliveryView:
    since = clock.from_ms(row.since)
    return UnknownDeliveryView(
        row.campaign_id, row.batch_id, row.seq, mask(row.phone), since, row.why, row.written_off_by
    )


@router.get("/runs/{run_id}/unknown")
async def page_unknown(run_id: Id, visit: Visit, after: str = "", nth: str = "") -> Response:
    return await _page(visit, run_id, FormState(), ListQuery(after=after, nth=nth))


async def _page(
    visit: PageRequest,
    run_id: int,
    entered: FormState,
    query: ListQuery = UNASKED,
    ticked: Sequence[str] = (),
) -> Response:
    found = await visit.db.aread(listing, run_id, visit.who.carrier, query.after)
    decides = may(visit.who.role, "resend_unknown")
    values = {"run": found.run, "list": list_view(visit, query, found.part)}
    values |= {"entered": entered, "decides": decides, "ticked": ticked}
    return render(visit, "unknown.html", entered.status, **values)


@router.post("/runs/{run_id}/unknown/resend")
async def page_do_resend_unknown(run_id: Id, visit: Visit, fields: Fields) -> Response:
    """Queue the chosen ones again; the sender accepts possible duplicates."""
    try:
        await visit.db.aread(queries.run, run_id, visit.who.carrier)
        order = unknown_decisions.UnknownOrder(run_id, visit.who.name, _chosen(fields))
        done = await asyncio.to_thread(unknown_decisions.resend, visit.db, _ledger(visit), order)
    except AppError as error:
        return await _page(visit, run_id, refused(error, fields), ticked=fields.all("line"))
    return redirect_with_flash(visit, f"/runs/{run_id}", say("Queued again: {n} messages."), n=done)


@router.post("/runs/{run_id}/unknown/write-off")
async def page_do_write_off_unknown(run_id: Id, visit: Visit, fields: Fields) -> Response:
    """Leave the chosen ones unknown for good, with a reason."""
    try:
        await visit.db.aread(queries.run, run_id, visit.who.carrier)
        order = unknown_decisions.UnknownOrder(run_id, visit.who.name, _chosen(fields), _reason(fields))
        done = await asyncio.to_thread(unknown_decisions.write_off, visit.db, _ledger(visit), order)
    except AppError as error:
        return await _page(visit, run_id, refused(error, fields), ticked=fields.all("line"))
    return redirect_with_flash(visit, f"/runs/{run_id}", say("Written off: {n} messages."), n=done)


def _ledger(visit: PageRequest) -> Ledger:
    return cast(Ledger, visit.request.app.state.ledger)


def _chosen(fields: FormData) -> list[tuple[int, int]]:
    """Return the ticked lines, empty for all; raises Invalid for no choice, which must not mean all."""
    if fields.get("all"):
        return []
    found = [place for each in fields.all("line") if (place := _LINE.fullmatch(each))]
    if not found:
        raise Invalid("Select the messages, or “all of the run”.", field="line")
    return [(int(place[1]), int(place[2])) for place in found]


def _reason(fields: FormData) -> str:
    why = fields.get("reason")
    if not why or len(why) > _LONGEST:
        raise Invalid(
            "Enter a reason of at most {most} characters. It is stored in the audit log.",
            most=_LONGEST,
            field="reason",
        )
    return why


GROUPS_ON_A_PAGE = 30
REASONS = {REASON_NAMES[each]: delivery_labels.REASONS[each] for each in Reason if each}


@router.get("/runs/{run_id}/rejected")
async def page_rejected(run_id: Id, visit: Visit, after: str = "", orders_after: str = "") -> Response:
    return await _rejected(visit, run_id, FormState(), (after, orders_after))


@router.post("/runs/{run_id}/rejected")
async def page_do_ask_rejected(run_id: Id, visit: Visit, fields: Fields) -> Response:
    """Ask for the messages of one reason and code to be sent again."""
    await visit.db.aread(queries.run, run_id, visit.who.carrier)
    reason, because, code = (fields.get(name) for name in ("reason", "because", "code"))
    try:
        if reason not in REASONS:
            raise Invalid("Choose a group of rejected messages.", field="reason")
        of = (visit.db, run_id, Reason[reason.upper()], because, visit.who.name, code)
        await asyncio.to_thread(rejected_orders.ask, *of)
    except AppError as error:
        return await _rejected(visit, run_id, refused(error, fields))
    return redirect_with_flash(
        visit, visit.path, say("The order was created. Another person must approve it.")
    )


@router.post("/runs/{run_id}/rejected/{order_id}/approve")
async def page_do_approve_rejected(run_id: Id, order_id: Id, visit: Visit, fields: Fields) -> Response:
    """Carry out somebody else's order."""
    await visit.db.aread(queries.run, run_id, visit.who.carrier)
    ledger = cast(Ledger, visit.request.app.state.ledger)
    work = partial(rejected_orders.approve, visit.db, ledger, run_id, order_id, visit.who)
    try:
        done = await asyncio.to_thread(work)
    except AppError as error:
        return await _rejected(visit, run_id, refused(error, fields))
    said = say("Queued again: {n} rejected messages.")
    return redirect_with_flash(visit, f"/runs/{run_id}/rejected", said, n=done.sent_again)


async def _rejected(
    visit: PageRequest, run_id: int, entered: FormState, places: tuple[str, str] = ("", "")
) -> Response:
    run = await visit.db.aread(queries.run, run_id, visit.who.carrier)
    found = await visit.db.aread(rejected_orders.rejected, run_id)
    orders = await visit.db.aread(rejected_orders.orders, run_id)
    may_do = {verb: may(visit.who.role, f"{verb}_rejected") for verb in ("ask", "approve")}
    values: dict[str, Any] = {"run": run, "reasons": REASONS, "may_do": may_do}
    values["found"] = _view(visit, found, places[0], "")
    values["orders"] = _view(visit, orders[::-1], places[1], "orders_")
    return render(visit, "rejected.html", entered.status, entered=entered, **values)


def _view(visit: PageRequest, rows: Sequence[Any], place: str, prefix: str) -> ListView:
    """Return a part of rows that are read whole: there are as many as there are causes, or orders."""
    first = query_params.number(place)
    end = first + GROUPS_ON_A_PAGE
    path = visit.path if visit.request.method == "GET" else visit.back
    following = str(end) if end < len(rows) else ""
    return ListView(rows[first:end], path, {}, frozenset(), len(rows), first, following, prefix)

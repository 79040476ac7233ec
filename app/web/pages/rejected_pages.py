"""Messages that the carrier refused: by reason and code, and the orders to send them again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from fastapi import Response

from app.api.dependencies import Id, Routes
from app.campaigns import queries
from app.core.errors import AppError, Invalid
from app.core.states import REASON_NAMES
from app.dispatch import rejected_orders
from app.ledger.ledger import Ledger
from app.security.roles import may
from app.web import query_params
from app.web.forms.list_query import ListView
from app.web.rendering import Fields, FormState, PageRequest, Visit, redirect_with_flash, refused, render
from app.web.translations import say
from app.web.view_models import delivery_labels
from carriers.contract import Reason

router = Routes(include_in_schema=False)
ON_A_PAGE = 30
REASONS = {REASON_NAMES[each]: delivery_labels.REASONS[each] for each in Reason if each}


@router.get("/runs/{run_id}/rejected")
async def page_rejected(run_id: Id, visit: Visit, after: str = "", orders_after: str = "") -> Response:
    return await _page(visit, run_id, FormState(), (after, orders_after))


@router.post("/runs/{run_id}/rejected")
async def page_do_ask_rejected(run_id: Id, visit: Visit, fields: Fields) -> Response:
    """Ask for the messages of one reason and code to be sent again."""
    await visit.db.aread(queries.run, run_id, visit.who.carrier)
    reason, because, code = (fields.get(name) for name in ("reason", "because", "code"))
    try:
        if reason not in REASONS:
            raise Invalid("Choose which of the refused messages are meant.", field="reason")
        of = (visit.db, run_id, Reason[reason.upper()], because, visit.who.name, code)
        await asyncio.to_thread(rejected_orders.ask, *of)
    except AppError as error:
        return await _page(visit, run_id, refused(error, fields))
    return redirect_with_flash(visit, visit.path, say("The order is written; another person approves it."))


@router.post("/runs/{run_id}/rejected/{order_id}/approve")
async def page_do_approve_rejected(run_id: Id, order_id: Id, visit: Visit, fields: Fields) -> Response:
    """Carry out somebody else's order."""
    await visit.db.aread(queries.run, run_id, visit.who.carrier)
    ledger = cast(Ledger, visit.request.app.state.ledger)
    work = partial(rejected_orders.approve, visit.db, ledger, run_id, order_id, visit.who)
    try:
        done = await asyncio.to_thread(work)
    except AppError as error:
        return await _page(visit, run_id, refused(error, fields))
    said = say("Queued again: {n} messages that were refused.")
    return redirect_with_flash(visit, f"/runs/{run_id}/rejected", said, n=done.sent_again)


async def _page(
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
    end = first + ON_A_PAGE
    path = visit.path if visit.request.method == "GET" else visit.back
    following = str(end) if end < len(rows) else ""
    return ListView(rows[first:end], path, {}, frozenset(), len(rows), first, following, prefix)

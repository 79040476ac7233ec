"""Messages of a run that are unknown or rejected: list, resend, write off."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Response
from sqlalchemy import Connection, Row

from app.api.dependencies import Id, Routes
from app.campaigns import queries
from app.campaigns.queries import RunSummary
from app.core import clock
from app.core.errors import Invalid
from app.core.phone import mask
from app.core.states import REASON_NAMES
from app.database.listing import ListPart
from app.dispatch import decisions, rejected_orders, unknown_decisions
from app.security.roles import may
from app.web import query_params
from app.web.forms.list_query import UNASKED, ListQuery, ListView, list_view
from app.web.operation_forms import add_forms
from app.web.rendering import FormData, FormState, PageRequest, Visit, render
from app.web.view_models import delivery_labels
from carriers.contract import Reason

router = Routes(include_in_schema=False)
ON_A_PAGE = 50
_LINE = re.compile("([0-9]{1,9})-([0-9]{1,9})")
_LONGEST = 500
_EMPTY = FormData()


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
    fields: FormData = _EMPTY,
) -> Response:
    found = await visit.db.aread(listing, run_id, visit.who.carrier, query.after)
    decides = may(visit.who.role, "resend_unknown")
    values = {"run": found.run, "list": list_view(visit, query, found.part)}
    values |= {"entered": entered, "decides": decides, "ticked": fields.all("line")}
    return render(visit, "unknown.html", entered.status, **values)


def _chosen(fields: FormData) -> dict[str, Any]:
    """Read the ticked lines, or all; raises Invalid for no choice, which must not mean all."""
    if fields.get("all"):
        return {"all": True}
    found = [place for each in fields.all("line") if (place := _LINE.fullmatch(each))]
    if not found:
        raise Invalid("Select the messages, or “all of the run”.", field="line")
    return {"lines": [(int(place[1]), int(place[2])) for place in found]}


def _written_off(fields: FormData) -> dict[str, Any]:
    why = fields.get("reason")
    if not why or len(why) > _LONGEST:
        raise Invalid(
            "Enter a reason of at most {most} characters. It is stored in the audit log.",
            most=_LONGEST,
            field="reason",
        )
    return _chosen(fields) | {"reason": why}


GROUPS_ON_A_PAGE = 30
REASONS = {REASON_NAMES[each]: delivery_labels.REASONS[each] for each in Reason if each}


@router.get("/runs/{run_id}/rejected")
async def page_rejected(run_id: Id, visit: Visit, after: str = "", orders_after: str = "") -> Response:
    return await _rejected(visit, run_id, FormState(), (after, orders_after))


def _order(fields: FormData) -> dict[str, str]:
    if fields.get("reason") not in REASONS:
        raise Invalid("Choose a group of rejected messages.", field="reason")
    return {name: fields.get(name) for name in ("reason", "because", "code")}


async def _rejected(
    visit: PageRequest, run_id: int, entered: FormState, places: tuple[str, str] = ("", "")
) -> Response:
    run = await visit.db.aread(queries.run, run_id, visit.who.carrier)
    found = await visit.db.aread(rejected_orders.rejected, run_id)
    orders = await visit.db.aread(rejected_orders.orders, run_id)
    may_do = {verb: may(visit.who.role, f"{verb}_rejected") for verb in ("ask", "approve")}
    values: dict[str, Any] = {"run": run, "reasons": REASONS, "may_do": may_do}
    values["helps_not"] = {
        REASON_NAMES[reason]: delivery_labels.REMEDIES[reason].said for reason in delivery_labels.HELPLESS
    }
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


add_forms(
    router,
    decisions,
    only={
        **dict.fromkeys(("resend_unknown", "write_off_unknown"), _page),
        **dict.fromkeys(("ask_rejected", "approve_rejected"), _rejected),
    },
    reads={"resend_unknown": _chosen, "write_off_unknown": _written_off, "ask_rejected": _order},
)

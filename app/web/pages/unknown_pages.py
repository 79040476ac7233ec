"""Messages of a run whose outcome is unknown: list, write off."""

from __future__ import annotations

import re
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
from app.database.listing import ListPart
from app.dispatch import decisions, unknown_decisions
from app.security.roles import may
from app.web.forms.list_query import UNASKED, ListQuery, list_view
from app.web.operation_forms import add_forms
from app.web.rendering import FormData, FormState, PageRequest, Visit, render

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
    decides = may(visit.who.role, "write_off_unknown")
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


add_forms(router, decisions, only={"write_off_unknown": _page}, reads={"write_off_unknown": _written_off})

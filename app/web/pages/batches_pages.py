"""Batches: the list, upload of a new one (streamed to disk), a batch's page with bad lines and deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection, func, select

from app.api import uploads
from app.api.dependencies import Id, Routes
from app.batches import operations, queries
from app.batches.importer import folder_of, register
from app.batches.queries import BadLine, Batch
from app.batches.routes import begin
from app.batches.row_parser import KEPT
from app.core.carrier_check import check_carrier
from app.core.errors import Forbidden, Invalid, TooLarge
from app.core.states import FAILED, BatchState, DeliveryState
from app.database.listing import COUNTED, ListPart, ListRequest
from app.database.models import campaigns, run_batches, runs, subscribers, tallies
from app.dispatch import deliveries
from app.dispatch.deliveries import DeliveryPage, DeliveryView
from app.file_import.spool import spool_path
from app.reports.figures import tally
from app.security.tenant_scope import named_carrier
from app.web import query_params
from app.web.forms.list_export import ListFile, carrier_name, list_file, wants_file
from app.web.forms.list_query import ListQuery, list_view
from app.web.operation_forms import add_forms
from app.web.rendering import FormData, FormState, PageRequest, Visit, redirect_with_flash, refused, render
from app.web.translations import Said, Speaker, say
from app.web.view_models import delivery_labels, traffic_light

router = Routes(include_in_schema=False)
ON_A_PAGE = 50
FILE = ListFile(
    "batches",
    {
        say("No."): "id",
        say("Batch"): "name",
        say("Carrier"): carrier_name,
        say("State"): "state",
        say("Lines"): "lines",
        say("Subscribers"): "accepted",
        say("Bad lines"): "rejected",
        say("Repeated in the file"): "repeated",
        say("Uploaded at"): "created_at",
        say("Uploaded by"): "created_by",
    },
)


@router.get("/batches")
async def page_batches(
    visit: Visit, query: Annotated[ListQuery, Depends()], state: str = "", carrier: str = ""
) -> Response:
    """List batches, newest first; invalid filters are ignored."""
    own = visit.who.carrier
    asked = {"state": state if state in list(BatchState) else "", "carrier": own or carrier[:40]}
    wanted = queries.BatchFilter(
        asked["carrier"] or None, BatchState(asked["state"]) if asked["state"] else None
    )
    request = query.request(queries.COLUMNS.orders)
    if wants_file(query):
        return list_file(visit, FILE, request, partial(queries.listed, criteria=wanted))
    found = await visit.db.aread(queries.listed, request, ON_A_PAGE, wanted)
    known = {} if own else query_params.carriers(visit.settings)
    asked = asked | {"carrier": ""} if own else asked
    shown = list_view(visit, query, found, asked)
    values: dict[str, Any] = {"states": list(BatchState), "carriers": known}
    return render(visit, "batches.html", list=shown, verdict=traffic_light, **values)


@router.get("/batches/new")
def page_new_batch(visit: Visit) -> Response:
    return _form(visit, FormState())


@router.post("/batches/new")
async def page_do_upload_batch(visit: Visit) -> Response:
    """Accept a file as POST /v1/batches does; the batch's page shows the progress."""
    request, who = visit.request, visit.who
    limit = visit.settings.upload_limit_mb * 1_048_576
    folder = await run_in_threadpool(folder_of, visit.settings.data)
    fields = FormData()
    try:
        async with uploads.taken(request, visit.settings, folder, limit) as upload:
            fields = FormData({name: [value] for name, value in upload.fields.items()})
            if not upload.file.size:
                raise Invalid("The file is empty. Choose another file.", field="file")
            carrier = named_carrier(who, upload.fields.get("carrier"))
            await run_in_threadpool(check_carrier, visit.settings, carrier)
            found = await visit.db.awrite(register, carrier, upload.named, who.name)
            begin(visit.db, found, upload, spool_path(folder, carrier, upload.file.sha256))
    except (Invalid, Forbidden, TooLarge) as error:
        return _form(visit, refused(error, fields))
    return redirect_with_flash(visit, f"/batches/{found.id}" + ("" if found.created else "?again=yes"))


def _form(visit: PageRequest, entered: FormState) -> Response:
    known, limit = query_params.carriers(visit.settings), visit.settings.upload_limit_mb
    return render(visit, "new_batch.html", entered.status, entered=entered, carriers=known, limit=limit)


FIRST_BAD = 20

FILTERS: Mapping[str, tuple[Said, tuple[DeliveryState, ...]]] = {
    "": (say("all"), ()),
    "failed": (say("not received or rejected"), FAILED),
    **{state.name.lower(): (delivery_labels.STATES[state], (state,)) for state in DeliveryState if state < 9},
}


@dataclass(frozen=True, slots=True)
class BatchUse:
    """A campaign that sends the batch, and the run."""

    campaign_id: int
    name: str
    run_id: int
    carrier: str


@dataclass(frozen=True, slots=True)
class BatchPageView:
    """A batch; use: the campaign whose deliveries are shown; counts: deliveries by state.

    without_area: subscribers of no known area.
    """

    batch: Batch
    without_area: int
    bad: Sequence[BadLine]
    uses: Sequence[BatchUse]
    use: BatchUse | None
    counts: Mapping[DeliveryState, int]
    part: DeliveryPage

    @property
    def left_out(self) -> int:
        """Number of bad lines beyond those that are stored."""
        return max(0, self.batch.lines - self.batch.accepted - KEPT)

    def listed(self, state: str) -> ListPart[DeliveryView]:
        """Return the part of deliveries in these states, of as many as are counted."""
        states = FILTERS[state][1] or tuple(self.counts)
        total = sum(self.counts.get(each, 0) for each in states)
        return ListPart(self.part.items, min(total, COUNTED + 1), str(self.part.next or ""))


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    campaign: int
    state: str
    after: int


def read_batch(
    connection: Connection, batch_id: int, carrier: str | None, criteria: DeliveryFilter
) -> BatchPageView:
    batch = queries.get(connection, batch_id, carrier)
    r, c = runs.c, campaigns.c
    query = select(c.id, c.name, r.id, r.carrier).join(runs, r.campaign_id == c.id)
    query = query.join(run_batches, run_batches.c.run_id == r.id).where(run_batches.c.batch_id == batch_id)
    uses = [BatchUse(*row) for row in connection.execute(query.order_by(c.id.desc()))]
    use = next((each for each in uses if each.campaign_id == criteria.campaign), uses[0] if uses else None)
    part = DeliveryPage([], None)
    if use is not None:
        of, states = (use.campaign_id, batch_id), FILTERS[criteria.state][1]
        part = deliveries.listed(connection, of, criteria.after, ON_A_PAGE, states)
    bad = queries.bad_lines_page(connection, batch_id, 0, FIRST_BAD).items
    s = subscribers.c
    lost = select(func.count()).where(s.batch_id == batch_id, s.area.is_(None))
    without_area = connection.execute(lost).scalar_one()
    return BatchPageView(batch, without_area, bad, uses, use, _counts(connection, batch_id, use), part)


def _state_of(row: DeliveryView, speaker: Speaker) -> str:
    return speaker.say(delivery_labels.STATES[row.state])


def _reason_of(row: DeliveryView, speaker: Speaker) -> str | None:
    said = delivery_labels.REASONS.get(row.reason)
    return None if said is None else speaker.say(said)


# Its lines say which numbers those are, to whoever has the batch's file.
DELIVERIES = ListFile(
    "deliveries",
    {
        say("Line"): "line",
        say("Phone number"): "phone",
        say("State"): _state_of,
        say("Reason"): _reason_of,
        say("Sent at"): "submitted_at",
        say("Final result at"): "done_at",
    },
)


def _deliveries(
    connection: Connection, request: ListRequest, limit: int, place: tuple[int, int], state: str
) -> ListPart[DeliveryView]:
    """Read a part of the file."""
    found = deliveries.listed(connection, place, query_params.number(request.after), limit, FILTERS[state][1])
    return ListPart(found.items, 0, str(found.next or ""))


def _counts(connection: Connection, batch_id: int, use: BatchUse | None) -> dict[DeliveryState, int]:
    if use is None:
        return {}
    own = (tallies.c.run_id == use.run_id, tallies.c.batch_id == batch_id)
    found: dict[DeliveryState, int] = {}
    for count in tally.sums(connection, *own):
        state = DeliveryState(count.state)
        found[state] = found.get(state, 0) + count.n
    return {state: n for state, n in sorted(found.items()) if n}


@router.get("/batches/{batch_id}")
async def page_batch(
    batch_id: Id,
    visit: Visit,
    campaign: str = "",
    state: str = "",
    after: str = "",
    nth: str = "",
    again: str = "",
    format: str = "",
) -> Response:
    """Show the batch; invalid query parameters are ignored."""
    asked = DeliveryFilter(
        query_params.number(campaign), state if state in FILTERS else "", query_params.number(after)
    )
    found = await visit.db.aread(read_batch, batch_id, visit.who.carrier, asked)
    if wants_file(ListQuery(format=format)) and found.use:
        place = found.use.campaign_id, batch_id
        read = partial(_deliveries, place=place, state=asked.state)
        return list_file(visit, DELIVERIES, ListRequest(), read)
    of = found.batch
    wrong = traffic_light.of_file(of.lines, of.accepted, of.rejected, of.other_range)
    words = {key: said for key, (said, _) in FILTERS.items()}
    chosen = {"campaign": str(found.use.campaign_id) if found.use else "", "state": asked.state}
    shown = list_view(visit, ListQuery(after=after, nth=nth), found.listed(asked.state), chosen)
    values: dict[str, Any] = {
        "page": found,
        "list": shown,
        "wrong": wrong,
        "again": bool(again),
        "filters": words,
        "labels": delivery_labels,
    }
    return render(visit, "batch.html", **values)


add_forms(router, operations, again=page_batch)

"""API routes of runs: their state, their progress, live too, and an operator's orders."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, cast

from fastapi import Depends, Header, Query, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import TypeAdapter
from pydantic_core import to_json
from sqlalchemy import Connection, or_, select

from app.api import event_streams
from app.api.dependencies import Config, Db, Id, Page, Paging, Routes, Since, Who, page_of
from app.api.event_streams import Hub, StateSnapshot
from app.api.idempotent_route import Acts
from app.api.if_match import run_version
from app.campaigns import lifecycle, queries
from app.campaigns import runs as stage
from app.campaigns.carrier_orders import CarrierOrder, as_text, order
from app.campaigns.forecast import Forecast, forecast
from app.campaigns.schemas import MomentBody, PriorityBody, RateBody
from app.core import clock
from app.core.carrier_check import check_filter
from app.core.errors import no_such
from app.core.ids import Number
from app.core.states import CampaignState, RunState
from app.database.models import campaigns, runs
from app.security import tenant_scope

_TAG = 16
_OVER = (RunState.FINISHED, RunState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Watched:
    """A run or campaign as seen by the operator of one carrier, or by anybody (None)."""

    run_id: int | None = None
    campaign_id: int | None = None
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class CampaignProgress:
    """The state of a campaign with its runs."""

    id: int
    state: CampaignState
    runs: list[queries.RunSummary]


_RUN, _CAMPAIGN = TypeAdapter(queries.RunSummary), TypeAdapter(CampaignProgress)


def look(connection: Connection, watched: Collection[Watched]) -> dict[Watched, StateSnapshot]:
    """Return a snapshot of each that exists and is visible."""
    run_ids = {each.run_id for each in watched if each.run_id is not None}
    campaign_ids = {each.campaign_id for each in watched if each.campaign_id is not None}
    members = select(runs).where(or_(runs.c.id.in_(run_ids), runs.c.campaign_id.in_(campaign_ids)))
    found = queries.runs_of(connection, members.order_by(runs.c.id))
    query = select(campaigns.c.id, campaigns.c.state).where(campaigns.c.id.in_(campaign_ids))
    states = {row.id: CampaignState(row.state) for row in connection.execute(query)}
    pictures = {each: _picture(each, found, states) for each in watched}
    return {each: picture for each, picture in pictures.items() if picture is not None}


def _picture(
    of: Watched, found: Sequence[queries.RunSummary], states: dict[int, CampaignState]
) -> StateSnapshot | None:
    if of.run_id is not None:
        own = next((run for run in found if run.id == of.run_id), None)
        if own is None or of.operator not in (None, own.carrier):
            return None
        return _made(own.state, _RUN.dump_json(own), own.state in _OVER)
    if of.campaign_id not in states:
        return None
    state = states[of.campaign_id]
    members = [run for run in found if run.campaign_id == of.campaign_id]
    members = [run for run in members if of.operator in (None, run.carrier)]
    if of.operator is not None and not members:
        return None
    over = bool(members) and all(run.state in _OVER for run in members)
    return _made(state, _CAMPAIGN.dump_json(CampaignProgress(of.campaign_id, state, members)), over)


def _made(state: str, body: bytes, over: bool) -> StateSnapshot:
    return StateSnapshot(state, body, hashlib.sha256(body).hexdigest()[:_TAG], over)


router = Routes(prefix="/v1/runs", tags=["runs"], route_class=Acts)


def get_own_run(run_id: Id, db: Db, who: Who) -> int:
    """Return the path's run. Raises NotFound, also to an operator of another carrier."""
    db.read(queries.run, run_id, who.carrier)
    return run_id


async def get_sought(
    state: Annotated[RunState | None, Query(description="only in this state")] = None,
    carrier: Annotated[str | None, Query(description="only of this carrier", examples=["viettel"])] = None,
    campaign_id: Annotated[Number | None, Query(description="only of this one")] = None,
    since: Since = None,
) -> queries.RunFilter:
    return queries.RunFilter(state, carrier, campaign_id=campaign_id, since=since)


Sought = Annotated[queries.RunFilter, Depends(get_sought)]
Run = Annotated[int, Depends(get_own_run)]
OrderForm = Annotated[Literal["json", "txt"], Query(alias="format", description="json, or txt for people")]
_PLAIN: dict[int | str, dict[str, Any]] = {200: {"model": CarrierOrder, "content": {"text/plain": {}}}}


@router.get("")
def list_runs(db: Db, who: Who, settings: Config, paging: Paging, sought: Sought) -> Page[queries.RunSummary]:
    """List runs in order of creation, with their progress; an operator sees its own carrier's."""
    wanted = replace(sought, operator=who.carrier)
    found = db.read(queries.runs_page, paging.after, paging.limit, wanted)
    check_filter(settings, None if who.carrier else sought.carrier, found, paging.after)
    return page_of(found, paging)


@router.get("/{run_id}")
def get_run(run_id: Run, db: Db, who: Who, response: Response) -> queries.RunSummary:
    """Get one run: deliveries and SMS parts by state."""
    db.read(tenant_scope.require, who, run_id=run_id)
    response.headers["ETag"] = f'"{db.read(run_version, run_id)}"'
    return db.read(queries.run, run_id)


@router.get("/{run_id}/forecast")
def get_forecast(run_id: Run, db: Db, settings: Config, who: Who) -> Forecast:
    """Forecast the time at the links' rate and the finish over open hours; warns of missed deadlines."""
    db.read(tenant_scope.require, who, run_id=run_id)
    return db.read(forecast, run_id, clock.now(), settings.rates)


@router.delete("/{run_id}", status_code=204)
def remove_run(run_id: Run, db: Db, who: Who) -> None:
    """Remove a planned run from its campaign. An approval becomes void."""
    db.read(tenant_scope.require, who, run_id=run_id)
    db.write(lifecycle.remove_run, run_id, who.name)


@router.put("/{run_id}/priority")
def set_priority(run_id: Run, body: PriorityBody, db: Db, who: Who) -> queries.RunSummary:
    """Set the run's priority among others at its carrier."""
    db.read(tenant_scope.require, who, run_id=run_id)
    db.write(stage.set_priority, run_id, body.priority, who.name)
    return db.read(queries.run, run_id)


@router.put("/{run_id}/rate")
def set_rate(run_id: Run, body: RateBody, db: Db, who: Who) -> queries.RunSummary:
    """Send the run more slowly than the carrier's links allow, from the next thousand messages on."""
    db.read(tenant_scope.require, who, run_id=run_id)
    db.write(stage.set_rate, run_id, body.segments_per_second, who.name)
    return db.read(queries.run, run_id)


@router.get("/{run_id}/order", responses=_PLAIN)
def get_order(run_id: Run, db: Db, who: Who, form: OrderForm = "json") -> Response:
    """Get the order to a carrier that sends to its own subscribers: text, areas, window, approval."""
    db.read(tenant_scope.require, who, run_id=run_id)
    found = db.read(order, run_id)
    if form == "txt":
        headers = {"Content-Disposition": f'attachment; filename="loa-run-{run_id}-order.txt"'}
        return PlainTextResponse(as_text(found), headers=headers)
    return Response(to_json(found), media_type="application/json")


@router.post("/{run_id}/start")
def start_run(run_id: Run, db: Db, who: Who, body: MomentBody | None = None) -> queries.RunSummary:
    """Start sending what was approved; if the carrier sends, report its start. Repeating changes nothing."""
    db.read(tenant_scope.require, who, run_id=run_id)
    return _ordered(db, stage.Verb.START, run_id, who, body)


@router.post("/{run_id}/end")
def end_run(run_id: Run, db: Db, who: Who, body: MomentBody | None = None) -> queries.RunSummary:
    """Report that a carrier which sends to its own subscribers has ended. Repeating it changes nothing."""
    db.read(tenant_scope.require, who, run_id=run_id)
    return _ordered(db, stage.Verb.END, run_id, who, body)


@router.post("/{run_id}/pause")
def pause_run(run_id: Run, db: Db, who: Who) -> queries.RunSummary:
    """Pause sending. Messages in flight still arrive. Repeating it changes nothing."""
    db.read(tenant_scope.require, who, run_id=run_id)
    return _ordered(db, stage.Verb.PAUSE, run_id, who)


@router.post("/{run_id}/resume")
def resume_run(run_id: Run, db: Db, who: Who) -> queries.RunSummary:
    """Continue with the next message. Repeating it changes nothing."""
    db.read(tenant_scope.require, who, run_id=run_id)
    return _ordered(db, stage.Verb.RESUME, run_id, who)


@router.post("/{run_id}/cancel")
def cancel_run(run_id: Run, db: Db, who: Who) -> queries.RunSummary:
    """Stop for good; what was not sent is counted as not sent. Repeating it changes nothing."""
    db.read(tenant_scope.require, who, run_id=run_id)
    return _ordered(db, stage.Verb.CANCEL, run_id, who)


def _ordered(
    db: Db, verb: stage.Verb, run_id: int, who: Who, body: MomentBody | None = None
) -> queries.RunSummary:
    stage.order(db, verb, run_id, who.name, body.at if body else None)
    return db.read(queries.run, run_id)


events = Routes(prefix="/v1", tags=["events"])

LastId = Annotated[
    str, Header(alias="Last-Event-ID", max_length=64, description="of the last event that you have")
]
_EXAMPLE = {"event": "progress", "id": "8d0b6f2a41c97e35", "data": '{"id": 1, "state": "running"}'}
_EVENT = {
    "type": "object",
    "description": "one event of the stream",
    "required": ["event", "id", "data"],
    "properties": {
        "event": {"enum": ["progress", "state", "end"]},
        "id": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`progress` with the figures, `state` when it changes, `end` when it is over",
        "content": {event_streams.MEDIA_TYPE: {"schema": _EVENT, "example": _EXAMPLE}},
    },
    204: {"description": "It is over, and you have its last event"},
}
_OPTIONS: dict[str, Any] = {"response_class": StreamingResponse, "responses": _STREAM}


async def get_hub(request: Request) -> Hub[Watched]:
    return cast(Hub[Watched], request.app.state.hub)


Watching = Annotated[Hub[Watched], Depends(get_hub)]


@events.get("/runs/{run_id}/events", **_OPTIONS)
async def watch_run(run_id: Id, request: Request, hub: Watching, who: Who, last_id: LastId = "") -> Response:
    """Follow a run: the figures of GET /v1/runs/{run_id} whenever they change, until it is over."""
    return await _stream(request, hub, Watched(run_id=run_id, operator=who.carrier), last_id)


@events.get("/campaigns/{campaign_id}/events", **_OPTIONS)
async def watch_campaign(
    campaign_id: Id, request: Request, hub: Watching, who: Who, last_id: LastId = ""
) -> Response:
    """Follow a campaign: its state and its runs whenever they change, until all runs are over."""
    return await _stream(request, hub, Watched(campaign_id=campaign_id, operator=who.carrier), last_id)


async def _stream(request: Request, hub: Hub[Watched], what: Watched, last_id: str) -> Response:
    picture = await hub.now(what)
    if picture is None:
        raise no_such("run" if what.campaign_id is None else "campaign", what.campaign_id or what.run_id)
    if picture.over and picture.tag == last_id:
        return Response(status_code=204)  # the only answer after which a browser does not reconnect
    return hub.opened(request, what, last_id)

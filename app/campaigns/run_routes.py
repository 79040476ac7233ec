"""API routes of live progress, of runs and of campaigns."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Header, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter
from sqlalchemy import Connection, or_, select

from app.api import event_streams
from app.api.dependencies import Id, Routes, Who
from app.api.event_streams import Hub, StateSnapshot
from app.campaigns import queries
from app.core.errors import no_such
from app.core.states import OVER, CampaignState
from app.database.models import campaigns, runs

_TAG = 16


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
    watched: Watched, runs: Sequence[queries.RunSummary], states: dict[int, CampaignState]
) -> StateSnapshot | None:
    if watched.run_id is not None:
        own = next((run for run in runs if run.id == watched.run_id), None)
        if own is None or watched.operator not in (None, own.carrier):
            return None
        return _made(own.state, _RUN.dump_json(own), own.state in OVER)
    if watched.campaign_id not in states:
        return None
    state = states[watched.campaign_id]
    members = [run for run in runs if run.campaign_id == watched.campaign_id]
    members = [run for run in members if watched.operator in (None, run.carrier)]
    if watched.operator is not None and not members:
        return None
    over = bool(members) and all(run.state in OVER for run in members)
    return _made(state, _CAMPAIGN.dump_json(CampaignProgress(watched.campaign_id, state, members)), over)


def _made(state: str, body: bytes, over: bool) -> StateSnapshot:
    return StateSnapshot(state, body, hashlib.sha256(body).hexdigest()[:_TAG], over)


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
        "description": "`progress` with the figures, `state` when it changes, `end` when the run ends",
        "content": {event_streams.MEDIA_TYPE: {"schema": _EVENT, "example": _EXAMPLE}},
    },
    204: {"description": "The run has ended, and you have its last event"},
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

"""Server-sent events of a run or a campaign until it is over."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends, Header, Request, Response
from fastapi.responses import StreamingResponse

from app.api import event_streams
from app.api.dependencies import Id, Routes, Who
from app.api.event_streams import Hub
from app.campaigns.live_status import Watched
from app.core.errors import no_such

router = Routes(prefix="/v1", tags=["events"])

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


@router.get("/runs/{run_id}/events", **_OPTIONS)
async def watch_run(run_id: Id, request: Request, hub: Watching, who: Who, last_id: LastId = "") -> Response:
    """Follow a run: the figures of GET /v1/runs/{run_id} whenever they change, until it is over."""
    return await _stream(request, hub, Watched(run_id=run_id, operator=who.carrier), last_id)


@router.get("/campaigns/{campaign_id}/events", **_OPTIONS)
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

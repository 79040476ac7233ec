"""The overview page and its event stream."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Header, Request, Response

from app.api.dependencies import Routes
from app.api.event_streams import Hub
from app.web.rendering import Visit, render
from app.web.view_models import overview_page, traffic_light

router = Routes(include_in_schema=False)


async def get_overview(request: Request) -> Hub[str]:
    return cast(Hub[str], request.app.state.overview)


@router.get("/")
async def page_overview(visit: Visit) -> Response:
    page = await visit.db.aread(overview_page.read_overview, visit.who.carrier)
    return render(visit, "overview.html", page=page, lights=traffic_light, shape=overview_page.shape(page))


@router.get("/overview/events")
async def page_overview_events(
    visit: Visit,
    hub: Annotated[Hub[str], Depends(get_overview)],
    last_id: Annotated[str, Header(alias="Last-Event-ID", max_length=64)] = "",
) -> Response:
    """Stream the overview's figures on change; one database poll serves all visitors."""
    return hub.opened(visit.request, visit.who.carrier or "", last_id)

"""The overview: one screen for whoever wants to know how everything stands, and its stream of changes."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Header, Request, Response

from app.api.dependencies import Routes
from app.api.event_streams import Hub
from app.web.rendering import Visit, render
from app.web.view_models import overview_page as overview_scene
from app.web.view_models import traffic_light

router = Routes(include_in_schema=False)


def get_overview(request: Request) -> Hub[str]:
    """The hub that app/runtime/api_app.py made."""
    return cast(Hub[str], request.app.state.overview)


@router.get("/")
async def page_overview(visit: Visit) -> Response:
    """Deadlines, campaigns, and what is to be done."""
    scene = await visit.db.aread(overview_scene.scene, visit.who.carrier)
    return render(
        visit, "overview.html", scene=scene, lights=traffic_light, shape=overview_scene.shape(scene)
    )


@router.get("/overview/events")
async def page_overview_events(
    visit: Visit,
    hub: Annotated[Hub[str], Depends(get_overview)],
    last_id: Annotated[str, Header(alias="Last-Event-ID", max_length=64)] = "",
) -> Response:
    """The figures of the overview whenever they change; one look at the database serves all who watch."""
    return hub.opened(visit.request, visit.who.carrier or "", last_id)

"""The overview and the wall screen with their event streams.

The wall is the overview's total and troubles, for a screen that nobody sits at. It is opened by a key that
the browser keeps (`WALL` in app/security/authorization.py), or by a session.
"""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends, Header, Request, Response

from app.api.dependencies import Routes
from app.api.event_streams import Hub
from app.core import ids
from app.web.rendering import Visit, render
from app.web.view_models import overview_page, traffic_light

router = Routes(include_in_schema=False)


async def get_overview(request: Request) -> Hub[str]:
    return cast(Hub[str], request.app.state.overview)


@router.get("/")
async def page_overview(visit: Visit, letter: str = "") -> Response:
    """Show the letter that needs a look, or the one that is asked for, then what is to be done."""
    page = await visit.db.aread(overview_page.read_overview, visit.who.carrier)
    of: dict[str, Any] = {
        "page": page,
        "lights": traffic_light,
        "shape": overview_page.shape(page),
        "asked": ids.read(letter),
    }
    return render(visit, "overview.html", **of)


@router.get("/overview/events")
async def page_overview_events(
    visit: Visit,
    hub: Annotated[Hub[str], Depends(get_overview)],
    last_id: Annotated[str, Header(alias="Last-Event-ID", max_length=64)] = "",
) -> Response:
    """Stream the overview's figures on change; one database poll serves all visitors."""
    return hub.opened(visit.request, visit.who.carrier or "", last_id)


@router.get("/wall")
async def page_wall(visit: Visit) -> Response:
    page = await visit.db.aread(overview_page.read_overview, visit.who.carrier)
    shape = overview_page.shape(page)
    return render(visit, "wall.html", page=page, lights=traffic_light, shape=shape)


@router.get("/wall/events")
async def page_wall_events(
    visit: Visit,
    hub: Annotated[Hub[str], Depends(get_overview)],
    last_id: Annotated[str, Header(alias="Last-Event-ID", max_length=64)] = "",
) -> Response:
    """Stream the same figures as the overview."""
    return hub.opened(visit.request, visit.who.carrier or "", last_id)

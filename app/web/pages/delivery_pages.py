"""One delivery with all its submissions, receipts and decisions; the number masked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path, Response
from sqlalchemy import Connection, select

from app.api.dependencies import Id, Routes
from app.core import areas, clock
from app.core.ids import LARGEST, Exact
from app.database.models import campaigns
from app.receipts import delivery_history
from app.security import tenant_scope
from app.web.rendering import Visit, render
from app.web.view_models import delivery_labels

router = Routes(include_in_schema=False)
Line = Annotated[int, Path(ge=0, le=LARGEST), Exact]


@router.get("/deliveries/{campaign_id}/{batch_id}/{line}")
async def page_delivery(campaign_id: Id, batch_id: Id, line: Line, visit: Visit) -> Response:
    """Show the delivery of this line of the batch in this campaign."""
    await visit.db.aread(tenant_scope.require, visit.who, campaign_id=campaign_id, batch_id=batch_id)

    def work(connection: Connection) -> tuple[delivery_history.DeliveryHistory, str]:
        found = delivery_history.read_history(connection, campaign_id, batch_id, line)
        name = connection.execute(select(campaigns.c.name).where(campaigns.c.id == campaign_id)).scalar_one()
        return found, name

    found, name = await visit.db.aread(work)
    return render(
        visit,
        "delivery.html",
        of=found,
        campaign=name,
        labels=delivery_labels,
        area=_area(found.area, found.submitted_at),
    )


def _area(code: str | None, at: datetime | None) -> str | None:
    return None if code is None else areas.name(code, clock.local(at or clock.now()).date())

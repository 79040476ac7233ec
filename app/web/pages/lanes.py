"""The lanes: which links send, which stand still and why, and the person's word that the cause is mended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Response
from sqlalchemy import Connection, Row

from app import clock
from app.api import Id, Routes
from app.auth.roles import may
from app.dispatch import lanes
from app.states import LaneState
from app.web.show import Visit, back, render
from app.web.words import Said, say
from carriers.contract import ReceiptLevel

router = Routes(include_in_schema=False)

# What the receipts of a link prove at best.
LEVELS: dict[str, Said] = {
    "none": say("none"),
    "operator": say("up to the carrier's centre"),
    "handset": say("up to the telephone"),
}


@dataclass(frozen=True, slots=True)
class LaneView:
    """One link. reason, code: the carrier's words for why it was halted."""

    id: int
    name: str
    carrier: str
    state: LaneState
    segments_per_second: float
    level: Said
    code: str | None
    reason: str | None
    changed_at: datetime | None


@router.get("/lanes")
async def page_lanes(visit: Visit) -> Response:
    """Every lane, the halted ones first."""
    rows = await visit.db.aread(lanes.all_lanes, visit.who.carrier)
    found = sorted(map(_view, rows), key=lambda each: (each.state is not LaneState.HALTED, each.id))
    return render(visit, "lanes.html", lanes=found, mends=may(visit.who.role, "resume_lane"))


@router.post("/lanes/{lane_id}/resume")
async def page_do_resume_lane(lane_id: Id, visit: Visit) -> Response:
    """The lane takes up its link again; a refusal becomes the page of errors."""

    def work(connection: Connection) -> None:
        lanes.resume(connection, lane_id, visit.who.name, visit.who.carrier)
        visit.db.wake(connection)

    await visit.db.awrite(work)
    return back(visit, "/lanes", say("The lane is resumed. If the cause is not mended, it will halt again."))


def _view(row: Row[Any]) -> LaneView:
    return LaneView(
        row.id,
        row.name,
        row.carrier,
        LaneState(row.state),
        row.segments_per_second,
        LEVELS[ReceiptLevel(row.receipt_level).name.lower()],
        row.code,
        row.reason,
        clock.from_ms(row.changed_at) if row.changed_at else None,
    )

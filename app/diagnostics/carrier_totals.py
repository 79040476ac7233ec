"""The carrier's own figures, and beside them what our ledger has for the same days; never added or mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day

from sqlalchemy import Connection, func, or_, select

from app.core import clock
from app.core.config import LinkSettings
from app.core.errors import Invalid
from app.core.states import SENT, DeliveryState
from app.database.models import deliveries, lanes, runs
from app.diagnostics.links import reading
from app.runtime.worker import build
from carriers.contract import OwnFigure, OwnFigures


@dataclass(frozen=True, slots=True)
class OwnTotals:
    """What our ledger has in one state: messages, and the SMS parts of which they are made."""

    state: str
    messages: int
    segments: int


async def stated(name: str, link: LinkSettings, first: date, last: date) -> Sequence[OwnFigure]:
    """What the carrier states of these days, both included; Conflict where it can't be read."""
    carrier = build(name, link)
    if not isinstance(carrier, OwnFigures):
        raise Invalid(f"Link {name}: a link of kind {link.kind} states no figures of its own.")
    async with reading(carrier):
        return await carrier.figures(first, last)


def ours(connection: Connection, link: str, first: date, last: date) -> list[OwnTotals]:
    """What this link was handed on these days (local time), by what is known of it now."""
    begin, end = _midnight(first), _midnight(last + timedelta(days=1))
    r, d = runs.c, deliveries.c
    lane = connection.execute(select(lanes).where(lanes.c.name == link)).first()
    if lane is None:
        return []
    lately = or_(r.ended_at.is_(None), r.ended_at >= begin)
    query = select(r.campaign_id).where(r.carrier == lane.carrier, r.created_at < end, lately)
    counts: dict[int, list[int]] = {}
    for campaign_id in connection.execute(query.distinct()).scalars().all():
        rows = (
            select(d.state, func.count(), func.sum(d.segments))
            .where(d.campaign_id == campaign_id, d.lane_id == lane.id, d.state.in_(SENT))
            .where(d.submitted_at >= begin, d.submitted_at < end)
            .group_by(d.state)
        )
        for state, messages, segments in connection.execute(rows):
            sums = counts.setdefault(state, [0, 0])
            sums[0] += messages
            sums[1] += int(segments)
    return [OwnTotals(DeliveryState(state).name.lower(), *sums) for state, sums in sorted(counts.items())]


def _midnight(day: date) -> int:
    return clock.to_ms(datetime.combine(day, time_of_day(), clock.VIETNAM))

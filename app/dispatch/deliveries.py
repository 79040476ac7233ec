"""List the deliveries of one batch in one campaign by page, numbers masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from app.core import clock
from app.core.phone import mask
from app.core.states import DeliveryState
from app.database.models import deliveries

# How many lines one page searches for a rare state, so that it is quick in a batch of any size.
STRETCH = 50_000


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery in a list. line: the subscriber's line in the batch's file."""

    line: int
    phone: str
    state: DeliveryState
    reason: int
    segments: int
    area: str | None
    submitted_at: datetime | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """One page. next: the line after which the list continues, None at its end."""

    items: Sequence[DeliveryView]
    next: int | None


def listed(
    connection: Connection,
    place: tuple[int, int],
    after: int,
    limit: int,
    states: Sequence[DeliveryState] = (),
) -> DeliveryPage:
    """Return up to `limit` deliveries of (campaign, batch) after line `after`, only in `states` if any."""
    d = deliveries.c
    own = (d.campaign_id == place[0], d.batch_id == place[1])
    query = select(deliveries).where(*own, d.seq > after).order_by(d.seq).limit(limit)
    if states:
        query = query.where(d.seq <= after + STRETCH, d.state.in_(states))
    rows = connection.execute(query).all()
    items = [
        DeliveryView(
            row.seq,
            mask(row.phone),
            DeliveryState(row.state),
            row.reason,
            row.segments,
            row.area,
            _time(row.submitted_at),
            _time(row.done_at),
        )
        for row in rows
    ]
    if len(items) == limit:
        return DeliveryPage(items, items[-1].line)
    beyond = select(d.seq).where(*own, d.seq > after + STRETCH).limit(1)
    more = bool(states) and connection.execute(beyond).first() is not None
    return DeliveryPage(items, after + STRETCH if more else None)


def _time(ms: int | None) -> datetime | None:
    return None if ms is None else clock.local(clock.from_ms(ms))

"""The carrier's own totals, beside those of our ledger for the same days; never added or mixed."""

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
from app.database.models import deliveries, links, runs
from app.diagnostics.link_checks import reading
from app.dispatch.link_store import register
from app.receipts import failure_list
from app.receipts.failure_list import FailureListCounts
from app.receipts.receipt_writer import Inbox
from app.runtime.worker import build, facts
from app.security import audit
from carriers.contract import ListedFailures, OwnFigure, OwnFigures, Receipt

# ---- Failure lists


async def read(name: str, link: LinkSettings, day: date, sender: str) -> Sequence[Receipt]:
    """Return the carrier's failure list. Raises Conflict if it can't be read, Invalid if it has none."""
    carrier = build(name, link)
    if not isinstance(carrier, ListedFailures):
        raise Invalid(
            "Link {name}: links of kind {kind} do not provide a list of failures.", name=name, kind=link.kind
        )
    async with reading(carrier):
        return await carrier.failures(day, sender)


async def take_in(
    inbox: Inbox,
    who: str,
    name: str,
    settings: LinkSettings,
    what: tuple[str, date],
    receipts: Sequence[Receipt],
) -> FailureListCounts:
    """Store a list of (sender ID, day) in the ledger, each entry once; audited, as a person ordered it."""
    link = await inbox.db.awrite(register, facts(name, settings, build(name, settings)))
    applied = await failure_list.tell(inbox, link, what, receipts)
    detail = {"sender": what[0], "day": str(what[1]), "new": applied.new}
    await inbox.db.awrite(lambda c: audit.note(c, who, "receipts.failure_list", f"link/{name}", **detail))
    return applied


@dataclass(frozen=True, slots=True)
class OwnTotals:
    """What our ledger has in one state, in messages and SMS parts."""

    state: str
    messages: int
    segments: int


async def stated(name: str, link: LinkSettings, first: date, last: date) -> Sequence[OwnFigure]:
    """Return the carrier's totals of these days, both included. Raises Conflict if they can't be read."""
    carrier = build(name, link)
    if not isinstance(carrier, OwnFigures):
        raise Invalid("Link {name}: links of kind {kind} do not provide figures.", name=name, kind=link.kind)
    async with reading(carrier):
        return await carrier.figures(first, last)


def ours(connection: Connection, link: str, first: date, last: date) -> list[OwnTotals]:
    """Return what this link was handed on these days (local time), by its present state."""
    begin, end = _midnight(first), _midnight(last + timedelta(days=1))
    r, d = runs.c, deliveries.c
    row = connection.execute(select(links).where(links.c.name == link)).first()
    if row is None:
        return []
    lately = or_(r.ended_at.is_(None), r.ended_at >= begin)
    query = select(r.campaign_id).where(r.carrier == row.carrier, r.created_at < end, lately)
    counts: dict[int, list[int]] = {}
    for campaign_id in connection.execute(query.distinct()).scalars().all():
        rows = (
            select(d.state, func.count(), func.sum(d.segments))
            .where(d.campaign_id == campaign_id, d.link_id == row.id, d.state.in_(SENT))
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

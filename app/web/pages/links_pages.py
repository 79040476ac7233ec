"""Links to carriers: which send, which are halted and why; resume after the cause is fixed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from fastapi import Response
from sqlalchemy import Connection, Row

from app.api.dependencies import Routes
from app.core import clock
from app.core.states import LinkState
from app.dispatch import links
from app.observability import link_status
from app.observability.link_status import LinkHealthState, LinksNow, LinkStatus
from app.security.roles import may
from app.web.operation_forms import add_forms
from app.web.rendering import Visit, render
from app.web.translations import Said, say
from app.web.view_models import traffic_light
from app.web.view_models.overview_page import links_shape
from app.web.view_models.run_status import STANDS as STOPS
from carriers.contract import ReceiptLevel

router = Routes(include_in_schema=False)
add_forms(router, links)

# The best that a link's receipts prove.
LEVELS: dict[str, Said] = {
    "none": say("none"),
    "operator": say("up to the carrier's centre"),
    "handset": say("up to the handset"),
}


# Colour and label by state; green only with a connection.
STANDS: dict[LinkHealthState, tuple[str, Said]] = {
    LinkHealthState.CONNECTED: ("good", say("working")),
    LinkHealthState.PROBING: ("bad", say("no answers")),
    LinkHealthState.WAITING: ("bad", say("waiting for answers")),
    LinkHealthState.REFUSING: ("bad", say("defers all messages")),
    LinkHealthState.LOST: ("bad", say("no connection")),
    LinkHealthState.UNTRIED: ("off", say("nothing sent yet")),
    LinkHealthState.CLOSED: ("off", say("not opened by any worker")),
    LinkHealthState.REMOVED: ("off", say("no longer in the settings")),
}
# Up, and yet nothing gets through.
_STANDING = (LinkHealthState.PROBING, LinkHealthState.WAITING, LinkHealthState.REFUSING)


@dataclass(frozen=True, slots=True)
class LinkPageView:
    """One link. reason, code: why the carrier halted it; tone, said: its state as shown."""

    id: int
    name: str
    carrier: str
    state: LinkState
    segments_per_second: float
    level: Said
    code: str | None
    reason: str | None
    changed_at: datetime | None
    connected_since: datetime | None
    lost_since: datetime | None
    stands_since: datetime | None
    answered_at: datetime | None
    refusal: str | None
    remark: str | None
    remark_since: datetime | None
    tone: str
    said: Said
    advice: Said | None = None
    left: bool = False
    assumed: bool = False  # its settings do not say what its receipts prove
    source: str | None = None  # who said what they prove
    source_on: date | None = None
    claimed: bool = False  # they prove the telephone, without a named source


@router.get("/links")
async def page_links(visit: Visit) -> Response:
    """List all links, halted ones first."""
    rows, now, shape = await visit.db.aread(_load, visit.who.carrier)
    assumed = {name for name, link in visit.settings.links.items() if link.assumes_receipt_level}
    views = [replace(_view(row, now.status[row.id]), assumed=row.name in assumed) for row in rows]
    found = sorted(
        views, key=lambda item: (item.left, item.state != LinkState.HALTED, item.tone != "bad", item.id)
    )
    return render(visit, "links.html", links=found, shape=shape, mends=may(visit.who.role, "resume_link"))


def _load(connection: Connection, carrier: str | None) -> tuple[list[Row[Any]], LinksNow, str]:
    now = link_status.links_now(connection)
    found = [row for row in now.rows if carrier in (None, row.carrier)]
    return found, now, links_shape(found, now.status)


def _at(ms: int | None) -> datetime | None:
    return None if ms is None else clock.from_ms(ms)


def _view(row: Row[Any], link: LinkStatus) -> LinkPageView:
    return LinkPageView(
        row.id,
        row.name,
        row.carrier,
        LinkState(row.state),
        row.segments_per_second,
        LEVELS[ReceiptLevel(row.receipt_level).name.lower()],
        row.code,
        row.reason,
        clock.from_ms(row.changed_at) if row.changed_at else None,
        _at(link.connected_since),
        _at(link.lost_since),
        _at(link_status.since(link)) if link.state in _STANDING else None,
        _at(link.answered_at),
        link.probing or (None if link.state is LinkHealthState.CONNECTED else link.refusal),
        link.remark,
        _at(link.remark_since),
        "bad" if link_status.is_away(link) else STANDS[link.state][0],
        STANDS[link.state][1],
        traffic_light.ADVICE[STOPS[link.state]] if link_status.is_away(link) else None,
        link.state is LinkHealthState.REMOVED,
        source=row.level_source,
        source_on=date.fromisoformat(row.level_source_on) if row.level_source_on else None,
        claimed=row.receipt_level == ReceiptLevel.HANDSET and not row.level_source,
    )

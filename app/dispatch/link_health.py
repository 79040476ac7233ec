"""How the links stand: each process says it of its own in short transactions, and everybody may read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import cast

from sqlalchemy import Connection, Row, delete, insert, select, update

from app import clock
from app.db import Database, shared_ms
from app.dispatch import lanes
from app.models import lanes as lanes_table
from app.models import link_health
from app.models.dispatch import LINK_GONE_AFTER_MS as GONE_AFTER_MS
from carriers.contract import Carrier, Halted, LinkHealth, ReportsHealth

SAY_EVERY_MS = 10_000  # without news; with news within a step of the sweep
_FORGOTTEN_AFTER_MS = 86_400_000
Link = tuple[int, str, Carrier]  # the lane, the send loop's name for itself, the adapter
_MOMENTS = ("connected_since", "lost_since", "answered_at", "refused_at")


class LinkState(StrEnum):
    """How a link stands, over all processes that have it open."""

    CONNECTED = "connected"
    HELD = "held"  # no answers come; single messages ask whether they do again
    LOST = "lost"
    UNTRIED = "untried"  # open, and nothing has been sent yet (HTTP)
    CLOSED = "closed"  # no process has it open


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """A link over all its processes; times in ms since 1970 by the shared clock.

    lost_since: since when none can send; where no process has it open: since one was last heard of.
    """

    state: LinkState = LinkState.CLOSED
    connected_since: int | None = None
    lost_since: int | None = None
    answered_at: int | None = None
    refused_at: int | None = None
    refusal: str | None = None
    held: str | None = None
    remark: str | None = None
    processes: int = 0


class HealthSweep:
    """Says how this process's links stand: what changed at once, and every ten seconds that it still does."""

    def __init__(self, db: Database, links: Callable[[], Iterable[Link]]) -> None:
        self._db, self._links = db, links
        self._said: dict[str, tuple[LinkHealth, int]] = {}

    async def step(self) -> bool:
        """One look at every link; always done until the next."""
        due = []
        for lane_id, owner, carrier in self._links():
            if isinstance(carrier, ReportsHealth):
                found = carrier.health()
                if self._is_due(owner, found):
                    due.append((lane_id, owner, found))
        if due:
            await self._db.insist(say, due)
            now = clock.now_ms()
            self._said |= {owner: (found, now) for _, owner, found in due}
        return False

    def _is_due(self, owner: str, found: LinkHealth) -> bool:
        if owner not in self._said:
            return True
        before, at = self._said[owner]
        quiet = ("answered_at", "refused_at")  # these alone are no news
        news = any(
            getattr(found, each.name) != getattr(before, each.name)
            for each in fields(found)
            if each.name not in quiet
        )
        return news or not 0 <= clock.now_ms() - at < SAY_EVERY_MS

    async def leave(self) -> None:
        """This process has the links no more."""
        await self._db.insist(leave, [owner for _, owner, _ in self._links()])


def say(connection: Connection, found: Iterable[tuple[int, str, LinkHealth]]) -> None:
    """Write down how these links stand: (lane, holder, facts)."""
    now, c = shared_ms(connection), link_health.c
    for lane_id, holder, health in found:
        values = _values(health, now)
        own = update(link_health).where(c.lane_id == lane_id, c.holder == holder)
        if not connection.execute(own.values(values)).rowcount:
            connection.execute(insert(link_health).values(values | {"lane_id": lane_id, "holder": holder}))
    connection.execute(delete(link_health).where(c.seen_at < now - _FORGOTTEN_AFTER_MS))


def _values(health: LinkHealth, now: int) -> dict[str, object]:
    """Moments of this process's own clock as those of the shared one."""
    here = clock.monotonic()
    values: dict[str, object] = {"seen_at": now}
    for each in fields(health):
        value = getattr(health, each.name)
        if each.name in _MOMENTS:
            values[each.name] = None if value is None else now - round(1000 * (here - value))
        else:
            values[each.name] = value or None
    return values


def leave(connection: Connection, holders: Sequence[str]) -> None:
    """These send loops have ended."""
    row = update(link_health).where(link_health.c.holder.in_(holders))
    gone = shared_ms(connection) - GONE_AFTER_MS
    connection.execute(row.values(seen_at=gone, connected_since=None, lost_since=None, held=None))


def facts(connection: Connection) -> dict[int, LinkFacts]:
    """How every lane's link stands."""
    now = shared_ms(connection)
    by_lane: dict[int, list[Row[tuple[object, ...]]]] = {}
    for row in connection.execute(select(link_health).order_by(link_health.c.seen_at)):
        by_lane.setdefault(row.lane_id, []).append(row)
    known = connection.execute(select(lanes_table.c.id)).scalars()
    return {lane_id: _together(by_lane.get(lane_id, []), now) for lane_id in known}


def _together(rows: Sequence[Row[tuple[object, ...]]], now: int) -> LinkFacts:
    here = [row for row in rows if row.seen_at > now - GONE_AFTER_MS]
    up = [row for row in here if row.connected_since is not None]
    lost = [row.lost_since for row in here if row.lost_since is not None]
    going = [row for row in up if not row.held]
    state = _state(len(here), len(up), len(lost), len(going))
    refused = max((row for row in rows if row.refused_at), key=lambda row: row.refused_at, default=None)
    newest_gone = max((row.seen_at for row in rows), default=None)
    return LinkFacts(
        state,
        min((row.connected_since for row in up), default=None),
        (max(lost, default=None) if here else newest_gone) if not up else None,
        max((row.answered_at for row in rows if row.answered_at), default=None),
        refused.refused_at if refused else None,
        refused.refusal if refused else None,
        up[0].held if state is LinkState.HELD else None,
        next((row.remark for row in here if row.remark), None),
        len(here),
    )


def _state(here: int, up: int, lost: int, going: int) -> LinkState:
    if going:
        return LinkState.CONNECTED
    if up:
        return LinkState.HELD
    if lost:
        return LinkState.LOST
    return LinkState.UNTRIED if here else LinkState.CLOSED


# What lists show of a link, beside its lane.
SHOWN = ("link", "since", "last_answer", "last_refusal", "remark")


def with_facts(connection: Connection, carrier: str | None = None) -> list[dict[str, object]]:
    """Every lane's row, and how its link stands in the fields of SHOWN; the refusal with its moment."""
    known = facts(connection)
    return [
        {**row._mapping, **_shown(known[cast(int, row.id)])} for row in lanes.all_lanes(connection, carrier)
    ]


def _shown(of: LinkFacts) -> dict[str, object]:
    refusal = of.held or of.refusal
    refused = f"{_said(of.refused_at)} {refusal}".strip() if refusal else None
    since = _said(of.connected_since or of.lost_since)
    values = (of.state.value, since or None, _said(of.answered_at) or None, refused, of.remark)
    return dict(zip(SHOWN, values, strict=True))


def _said(ms: int | None) -> str:
    return "" if ms is None else clock.local(clock.from_ms(ms)).isoformat(timespec="seconds")


def halt_alone(connection: Connection, lane_id: int, holder: str, halted: Halted) -> bool:
    """Halt the lane for all, unless another process has the link up: then only this one may not send.

    A password that is wrong on one host stops no other; False where the lane goes on elsewhere.
    """
    c, now = link_health.c, shared_ms(connection)
    others = select(c.holder).where(c.lane_id == lane_id, c.holder != holder)
    up = others.where(c.connected_since.is_not(None), c.seen_at > now - GONE_AFTER_MS)
    if connection.execute(up.limit(1)).first() is not None:
        return False
    lanes.halt(connection, lane_id, halted)
    return True

"""How links stand, over all processes that have them open, as these have written it down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import Connection, Row, and_, or_, select

from app.core.states import LaneState
from app.database.connection import shared_ms
from app.database.models import lanes as lanes_table
from app.database.models import link_health, webhook_clocks
from app.database.models.dispatch import LINK_GONE_AFTER_MS as GONE_AFTER_MS


class LinkState(StrEnum):
    """How a link stands, over all processes that have it open."""

    CONNECTED = "connected"
    HELD = "held"  # no answers come; single messages ask whether they do again
    REFUSING = "refusing"  # every answer is "not now": throttled, or in trouble
    LOST = "lost"
    UNTRIED = "untried"  # open, and nothing has been sent yet (HTTP)
    CLOSED = "closed"  # no process has it open
    LEFT = "left"  # the settings no longer name it, and no process has it open


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """A link over all its processes; times in ms since 1970 by the shared clock.

    lost_since: since when none can send; where no process has it open: since one was last heard of;
    refusing_since: since when every answer puts off what was sent.
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
    refusing_since: int | None = None
    remark_since: int | None = None


# By these nothing goes, though a person has halted nothing.
AWAY = (LinkState.HELD, LinkState.REFUSING, LinkState.LOST, LinkState.CLOSED)
# A carrier that puts off all that it is sent for so long takes nothing; a pace that is found takes less.
REFUSES_AFTER_MS = 15_000
# Of several hosts of a carrier one may be right and another wrong.
CLOCK_SAID_MS = 60_000


@dataclass(frozen=True, slots=True)
class Standstill:
    """Why nothing goes through any link of a carrier: of its first link, or that it has none.

    state: None where the lane is halted; since: ms since 1970, None where nobody knows.
    """

    link: str
    state: LinkState | None
    since: int | None


def facts(connection: Connection) -> dict[int, LinkStatus]:
    """How every lane's link stands."""
    now = shared_ms(connection)
    by_lane: dict[int, list[Row[tuple[object, ...]]]] = {}
    for row in connection.execute(select(link_health).order_by(link_health.c.seen_at)):
        by_lane.setdefault(row.lane_id, []).append(row)
    wrong = or_(webhook_clocks.c.over_at.is_(None), webhook_clocks.c.last_at > now - CLOCK_SAID_MS)
    joined = lanes_table.outerjoin(webhook_clocks, and_(webhook_clocks.c.lane_id == lanes_table.c.id, wrong))
    told = (webhook_clocks.c.times, webhook_clocks.c.ahead_s, webhook_clocks.c.first_at)
    known: dict[int, LinkStatus] = {}
    for lane in connection.execute(
        select(lanes_table.c.id, lanes_table.c.left_at, *told).select_from(joined)
    ):
        known[lane.id] = _together(by_lane.get(lane.id, []), now, lane.left_at)
        if lane.times is not None:
            remark = receipts_refused(lane.times, lane.ahead_s)
            known[lane.id] = replace(known[lane.id], remark=remark, remark_since=lane.first_at)
    return known


def receipts_refused(times: int, ahead_s: int) -> str:
    """The sentence for calls that are refused since the carrier's clock is wrong, or ours."""
    n = f"{abs(ahead_s) / 60:.0f}"
    if ahead_s > 0:
        return (
            f"Receipts are refused: the carrier's clock is {n} min ahead of ours ({times} calls so far)."
            " Set this server's clock by NTP; if it is right, ask the carrier to set theirs."
        )
    return (
        f"Receipts are refused: the carrier's clock is {n} min behind ours ({times} calls so far)."
        " Set this server's clock by NTP; if it is right, ask the carrier to set theirs."
    )


def _together(rows: Sequence[Row[tuple[object, ...]]], now: int, left_at: int | None) -> LinkStatus:
    here = [row for row in rows if row.seen_at > now - GONE_AFTER_MS]
    up = [row for row in here if row.connected_since is not None]
    lost = [row.lost_since for row in here if row.lost_since is not None]
    # Held for being put off, a link has its answers.
    answering = [row for row in up if not row.held or row.refusing_since is not None]
    going = [row for row in answering if row.refusing_since is None]
    refusing = [row.refusing_since for row in answering if row.refusing_since is not None]
    since = None if going else max(refusing, default=None)
    state = _state(len(here), len(up), len(lost), len(answering))
    if state is LinkState.CONNECTED and since is not None and now - since >= REFUSES_AFTER_MS:
        state = LinkState.REFUSING
    if state is LinkState.CLOSED and left_at is not None:
        state = LinkState.LEFT
    refused = max((row for row in rows if row.refused_at), key=lambda row: row.refused_at, default=None)
    newest_gone = max((row.seen_at for row in rows), default=None)
    return LinkStatus(
        state,
        min((row.connected_since for row in up), default=None),
        (max(lost, default=None) if here else newest_gone) if not up else None,
        max((row.answered_at for row in rows if row.answered_at), default=None),
        refused.refused_at if refused else None,
        refused.refusal if refused else None,
        up[0].held if state is LinkState.HELD else None,
        next((row.remark for row in here if row.remark), None),
        len(here),
        since,
    )


def _state(here: int, up: int, lost: int, going: int) -> LinkState:
    if going:
        return LinkState.CONNECTED
    if up:
        return LinkState.HELD
    if lost:
        return LinkState.LOST
    return LinkState.UNTRIED if here else LinkState.CLOSED


def is_away(of: LinkStatus) -> bool:
    """Nothing goes by it. A link of which no process has ever said anything is only not tried yet."""
    never_said = of.state is LinkState.CLOSED and of.lost_since is None
    return of.state in AWAY and not never_said


def since(of: LinkStatus) -> int | None:
    """When nothing went by it any more: lost, or, of one that is up and gets no answers, the last answer."""
    if of.state is LinkState.REFUSING:
        return of.refusing_since
    return of.answered_at or of.connected_since if of.state is LinkState.HELD else of.lost_since


def standstills(connection: Connection) -> dict[str, Standstill]:
    """Carrier -> why nothing goes, for those all of whose links are halted or away."""
    known, going = facts(connection), set[str]()
    found: dict[str, Standstill] = {}
    for lane in connection.execute(select(lanes_table).order_by(lanes_table.c.id)):
        link, halted = known[lane.id], lane.state == LaneState.HALTED
        if link.state is LinkState.LEFT:
            continue
        if halted:
            found.setdefault(lane.carrier, Standstill(lane.name, None, lane.changed_at))
        elif link.state in AWAY:  # also where no process has ever opened it: nothing goes by it either
            found.setdefault(lane.carrier, Standstill(lane.name, link.state, since(link)))
        else:
            going.add(lane.carrier)
    return {carrier: why for carrier, why in found.items() if carrier not in going}

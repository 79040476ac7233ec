"""State of each link, combined from what all processes that have it open recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, or_, select

from app.core.states import LinkState
from app.database.connection import shared_ms
from app.database.models import LINK_GONE_AFTER_MS as GONE_AFTER_MS
from app.database.models import link_health, links, webhook_clocks
from carriers.phrases import Phrase


class LinkHealthState(StrEnum):
    """State of a link over all processes that have it open."""

    CONNECTED = "connected"
    PROBING = "probing"  # no answers arrive; single messages test whether they do again
    WAITING = "waiting"  # messages wait for answers longer than usual, and none comes
    REFUSING = "refusing"  # every answer is "not now": throttled, or in trouble
    LOST = "lost"
    UNTRIED = "untried"  # open, but nothing has been sent yet (HTTP)
    CLOSED = "closed"  # no process has it open
    REMOVED = "left"  # removed from the settings, and no process has it open


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """A link over all processes; times in ms since 1970 by the shared clock.

    lost_since: since when no process can send; if none has it open: when one was last seen. refusing_since:
    since when every answer defers what was sent. waiting_since: since when messages wait without an answer.
    """

    state: LinkHealthState = LinkHealthState.CLOSED
    connected_since: int | None = None
    lost_since: int | None = None
    answered_at: int | None = None
    refused_at: int | None = None
    refusal: str | None = None
    probing: str | None = None
    remark: str | None = None
    processes: int = 0
    refusing_since: int | None = None
    remark_since: int | None = None
    waiting_since: int | None = None


# In these states nothing gets through, although no person has halted the link.
AWAY = (
    LinkHealthState.PROBING,
    LinkHealthState.WAITING,
    LinkHealthState.REFUSING,
    LinkHealthState.LOST,
    LinkHealthState.CLOSED,
)
# A carrier that defers everything for this long accepts nothing; rate adaptation takes less.
REFUSES_AFTER_MS = 15_000
# A carrier may have several hosts, of which only some have a wrong clock.
CLOCK_SAID_MS = 60_000


@dataclass(frozen=True, slots=True)
class Standstill:
    """Why nothing goes through any link of a carrier: state of its first link, if it has one.

    state: None if the link is halted; since: ms since 1970, None if unknown.
    """

    link: str
    state: LinkHealthState | None
    since: int | None


@dataclass(frozen=True, slots=True)
class LinksNow:
    """All links as they are at one moment: their rows, the oldest first, and the state of each by id.

    at: ms since 1970 by the shared clock.
    """

    at: int
    rows: Sequence[Row[Any]]
    status: Mapping[int, LinkStatus]


# Built once: every poll of every open page asks them.
_HEALTH = select(link_health).order_by(link_health.c.seen_at)
_WRONG_CLOCK = or_(webhook_clocks.c.over_at.is_(None), webhook_clocks.c.last_at > bindparam("clock_said"))
_LINKS = (
    select(links, webhook_clocks.c.times, webhook_clocks.c.ahead_s, webhook_clocks.c.first_at)
    .select_from(links.outerjoin(webhook_clocks, and_(webhook_clocks.c.link_id == links.c.id, _WRONG_CLOCK)))
    .order_by(links.c.id)
)


def facts(connection: Connection) -> Mapping[int, LinkStatus]:
    return links_now(connection).status


def links_now(connection: Connection) -> LinksNow:
    now = shared_ms(connection)
    by_link: dict[int, list[Row[tuple[object, ...]]]] = {}
    for row in connection.execute(_HEALTH).all():
        by_link.setdefault(row.link_id, []).append(row)
    known: dict[int, LinkStatus] = {}
    rows = connection.execute(_LINKS, {"clock_said": now - CLOCK_SAID_MS}).all()
    for link in rows:
        known[link.id] = _combined(by_link.get(link.id, []), now, link.left_at)
        if link.times is not None:
            remark = receipts_refused(link.times, link.ahead_s)
            known[link.id] = replace(known[link.id], remark=remark, remark_since=link.first_at)
        elif link.receipts_early_min and known[link.id].remark is None:
            known[link.id] = replace(known[link.id], remark=receipts_early(link.receipts_early_min))
    return LinksNow(now, rows, known)


def receipts_early(minutes: int) -> str:
    """Return the sentence for receipts whose stated times are in another zone than the settings say."""
    n = f"{minutes // 60}:{minutes % 60:02}"
    return Phrase(
        "Receipt times are {n} hours too early: the carrier uses a different time zone from this "
        "link's settings. Set receipt_zone to the carrier's zone, which may be UTC (+00:00), and "
        "restart Loa.",
        n=n,
    )


def receipts_refused(times: int, ahead_s: int) -> str:
    """Return the sentence for calls refused because the carrier's clock or ours is wrong."""
    n = f"{abs(ahead_s) / 60:.0f}"
    if ahead_s > 0:
        return Phrase(
            "Receipts are being rejected because the carrier's clock is {n} min ahead of Loa's "
            "({times} calls so far). Synchronize this server's clock by NTP; if it is correct, ask "
            "the carrier to correct theirs.",
            n=n,
            times=times,
        )
    return Phrase(
        "Receipts are being rejected because the carrier's clock is {n} min behind Loa's ({times} "
        "calls so far). Synchronize this server's clock by NTP; if it is correct, ask the carrier "
        "to correct theirs.",
        n=n,
        times=times,
    )


def _combined(rows: Sequence[Row[tuple[object, ...]]], now: int, left_at: int | None) -> LinkStatus:
    here = [row for row in rows if row.seen_at > now - GONE_AFTER_MS]
    up = [row for row in here if row.connected_since is not None]
    lost = [row.lost_since for row in here if row.lost_since is not None]
    # A link that probes because the carrier defers everything does get answers.
    answering = [row for row in up if not row.probing or row.refusing_since is not None]
    going = [row for row in answering if row.refusing_since is None and row.waiting_since is None]
    refusing = [row.refusing_since for row in answering if row.refusing_since is not None]
    since = None if going else max(refusing, default=None)
    waiting = None if going else max((row.waiting_since or 0 for row in answering), default=0) or None
    state = _state(len(here), len(up), len(lost), len(answering))
    if state is LinkHealthState.CONNECTED and since is not None and now - since >= REFUSES_AFTER_MS:
        state = LinkHealthState.REFUSING
    elif state is LinkHealthState.CONNECTED and waiting is not None:
        state = LinkHealthState.WAITING
    if state is LinkHealthState.CLOSED and left_at is not None:
        state = LinkHealthState.REMOVED
    refused = max((row for row in rows if row.refused_at), key=lambda row: row.refused_at, default=None)
    # Who closed the link in order said when; of who died the last report is all there is.
    newest_gone = max((max(row.seen_at, row.lost_since or 0) for row in rows), default=None)
    return LinkStatus(
        state,
        min((row.connected_since for row in up), default=None),
        (max(lost, default=None) if here else newest_gone) if not up else None,
        max((row.answered_at for row in rows if row.answered_at), default=None),
        refused.refused_at if refused else None,
        refused.refusal if refused else None,
        up[0].probing if state is LinkHealthState.PROBING else None,
        next((row.remark for row in here if row.remark), None),
        len(here),
        since,
        waiting_since=waiting,
    )


def _state(here: int, up: int, lost: int, going: int) -> LinkHealthState:
    if going:
        return LinkHealthState.CONNECTED
    if up:
        return LinkHealthState.PROBING
    if lost:
        return LinkHealthState.LOST
    return LinkHealthState.UNTRIED if here else LinkHealthState.CLOSED


def is_away(status: LinkStatus) -> bool:
    """Return whether nothing is sent by it. A link that no process ever reported is only untried."""
    never_said = status.state is LinkHealthState.CLOSED and status.lost_since is None
    return status.state in AWAY and not never_said


def since(status: LinkStatus) -> int | None:
    """Return since when nothing is sent: loss, or the last answer of a link that is up without answers."""
    if status.state is LinkHealthState.REFUSING:
        return status.refusing_since
    if status.state is LinkHealthState.WAITING:
        return status.waiting_since
    return (
        status.answered_at or status.connected_since
        if status.state is LinkHealthState.PROBING
        else status.lost_since
    )


def standstills(links_now: LinksNow) -> dict[str, Standstill]:
    """Map each carrier whose links are all halted or away to the reason."""
    going, found = set[str](), dict[str, Standstill]()
    for link in links_now.rows:
        status, halted = links_now.status[link.id], link.state == LinkState.HALTED
        if status.state is LinkHealthState.REMOVED:
            continue
        if halted:
            found.setdefault(link.carrier, Standstill(link.name, None, link.changed_at))
        elif status.state in AWAY:  # includes links that no process has ever opened
            found.setdefault(link.carrier, Standstill(link.name, status.state, since(status)))
        else:
            going.add(link.carrier)
    return {carrier: why for carrier, why in found.items() if carrier not in going}

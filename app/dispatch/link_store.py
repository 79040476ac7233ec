"""Store the links: one row per configured link, its state, and halting and resuming it.

A link is also halted by `_halt` of app/ledger/submit_results.py, in the commit that records why.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, cast, func, select, update

from app.core import clock
from app.core.states import LinkState
from app.database.connection import shared_ms
from app.database.engines import insert_new
from app.database.models import link_health, link_levels, link_pace, links
from app.database.models.sending_tables import LINK_FORGOTTEN_AFTER_MS, LINK_GONE_AFTER_MS
from app.ledger.contract import Link
from carriers.contract import Halted, ReceiptLevel

RESTORED = Halted(
    "restored",
    "The database was put back to an earlier state, or a replica has taken over. If nothing was lost (the "
    "replica was synchronous and in step), run `loa database restored --nothing-lost`: sending continues "
    "where it stood. If something may be missing (a backup, or a replica that was behind), stop every worker "
    "and run `loa database restored`: every message not sent yet becomes unknown, and a person decides.",
)


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """What the ledger keeps of a configured link."""

    name: str
    carrier: str
    receipt_group: str
    segments_per_second: float
    receipt_level: ReceiptLevel
    one_receipt: bool = False
    account: str | None = None  # where it connects and as whom, independent of its name
    content_hash: str | None = None  # hash of what its settings make of a text


def register(connection: Connection, link: LinkRecord) -> Link:
    """Create or update the link's row; links with one receipt group or one account share a group."""
    c = links.c
    values = {
        "carrier": link.carrier,
        "receipt_group": link.receipt_group,
        "segments_per_second": link.segments_per_second,
        "receipt_level": int(link.receipt_level),
        "one_receipt": link.one_receipt,
        "account": link.account,
        "content_hash": link.content_hash,
        "left_at": None,
    }
    new = {"name": link.name, "group_id": 0, "state": LinkState.RUNNING.value, "changed_at": clock.now_ms()}
    before = connection.execute(select(c.segments_per_second).where(c.name == link.name)).scalar()
    own = update(links).where(c.name == link.name).values(values).returning(c.id)
    known = connection.execute(own).scalar()
    if known is None:
        # Workers that start at the same moment all find none.
        connection.execute(insert_new(connection, links).values(values | new))
        known = connection.execute(own).scalar_one()
    connection.execute(insert_new(connection, link_pace).values(link_id=known))
    if before is not None and before != link.segments_per_second:
        _rescale(connection, known, before / link.segments_per_second)
    _note_level(connection, known, int(link.receipt_level))
    group = _regroup(connection, link.carrier)[known]
    alike = c.account == link.account if link.account else c.id == known
    pace = connection.execute(select(func.min(c.id)).where(c.carrier == link.carrier, alike)).scalar()
    return Link(known, link.name, link.carrier, group, link.one_receipt, link.content_hash or "", pace)


def _rescale(connection: Connection, link_id: int, by: float) -> None:
    """Let what is reserved to come take as long as it does at the new rate, so that a link is not silent."""
    now, p = shared_ms(connection) * 1000, link_pace.c
    ahead = update(link_pace).where(p.link_id == link_id, p.next_free_us > now)
    connection.execute(ahead.values(next_free_us=now + cast((p.next_free_us - now) * by, BigInteger)))


def _note_level(connection: Connection, link_id: int, level: int) -> None:
    """Record since when its receipts prove so much, if they did not before."""
    c = link_levels.c
    newest = select(c.level).where(c.link_id == link_id).order_by(c.since.desc()).limit(1)
    if connection.execute(newest).scalar() != level:
        row = {"link_id": link_id, "since": shared_ms(connection), "level": level}
        connection.execute(insert_new(connection, link_levels).values(row))


def mark_removed(connection: Connection, named: Collection[str], host: str) -> None:
    """Mark the links that this host had open last and its settings no longer name, if nobody has them open.

    What another host opened last may be in that host's settings, as long as that host reports anything at
    all; so may a link that nobody ever opened.
    """
    now, h, c = shared_ms(connection), link_health.c, links.c
    newest: dict[int, tuple[int, str]] = {}
    hosts: dict[str, int] = {}
    for row in connection.execute(select(h.link_id, h.seen_at, h.holder)):
        newest[row.link_id] = max(newest.get(row.link_id, (0, "")), (row.seen_at, row.holder))
        hosts[_host(row.holder)] = max(hosts.get(_host(row.holder), 0), row.seen_at)
    gone = {name for name, seen_at in hosts.items() if seen_at < now - LINK_FORGOTTEN_AFTER_MS}
    for link_id, (seen_at, holder) in newest.items():
        if seen_at <= now - LINK_GONE_AFTER_MS and _host(holder) in {host, *gone}:
            own = update(links).where(c.id == link_id, c.name.not_in(named), c.left_at.is_(None))
            connection.execute(own.values(left_at=now))


def _host(holder: str) -> str:
    return holder.partition(":")[0]


def _regroup(connection: Connection, carrier: str) -> dict[int, int]:
    """Return each link's group: the first of its receipt group or account, removed ones too."""
    c, groups = links.c, dict[int, int]()  # receipts of what a removed link sent come over others
    rows = connection.execute(select(links).where(c.carrier == carrier).order_by(c.id)).all()
    for row in rows:
        alike = [each for each in rows if each.id in groups and _shares(each, row)]
        first = min((groups[each.id] for each in alike), default=row.id)
        joined = {groups[each.id] for each in alike}
        groups = {link: first if group in joined else group for link, group in groups.items()} | {
            row.id: first
        }
    for row in rows:
        if row.group_id != groups[row.id]:
            connection.execute(update(links).where(c.id == row.id).values(group_id=groups[row.id]))
    return groups


def _shares(one: Row[Any], other: Row[Any]) -> bool:
    same = one.account is not None and one.account == other.account
    return bool(same or one.receipt_group == other.receipt_group)


def halt(connection: Connection, link_id: int, halted: Halted) -> None:
    values = {"state": LinkState.HALTED.value, "code": halted.code, "reason": halted.reason}
    row = update(links).where(links.c.id == link_id)
    connection.execute(row.values(**values, changed_at=clock.now_ms()))


def end_restore_halts(connection: Connection) -> None:
    """Resume the links that were halted because the database had been restored."""
    own = update(links).where(links.c.state == LinkState.HALTED.value, links.c.code == RESTORED.code)
    values = {"state": LinkState.RUNNING.value, "code": None, "reason": None, "changed_at": clock.now_ms()}
    connection.execute(own.values(values))


def state(connection: Connection, link_id: int) -> LinkState:
    return LinkState(connection.execute(_STATE, {"id": link_id}).scalar_one())


_STATE = select(links.c.state).where(links.c.id == bindparam("id"))  # asked at every claim


def all_links(connection: Connection, carrier: str | None = None) -> list[Row[tuple[object, ...]]]:
    query = select(links).order_by(links.c.id)
    return list(connection.execute(query.where(links.c.carrier == carrier) if carrier else query))

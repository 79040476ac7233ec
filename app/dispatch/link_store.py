"""Store the lanes: one row per configured link, its state, and halting and resuming it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from app.core import clock
from app.core.errors import Conflict, no_such
from app.core.states import LaneState
from app.database.connection import shared_ms
from app.database.engines import insert_new
from app.database.models import lanes, link_health
from app.database.models.dispatch import LINK_FORGOTTEN_AFTER_MS, LINK_GONE_AFTER_MS
from app.ledger.contract import Lane
from app.security import audit
from carriers.contract import Halted, ReceiptLevel

RESTORED = Halted(
    "restored",
    "This database was put back to an earlier state, or a replica took its place: what was sent since is not "
    "in it, and would be sent again. Say `loa database restored`.",
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
    says: str | None = None  # hash of what its settings make of a text


def register(connection: Connection, link: LinkRecord) -> Lane:
    """Create or update the link's lane; links with one receipt group or one account share a group."""
    c = lanes.c
    values = {
        "carrier": link.carrier,
        "receipt_group": link.receipt_group,
        "segments_per_second": link.segments_per_second,
        "receipt_level": int(link.receipt_level),
        "one_receipt": link.one_receipt,
        "account": link.account,
        "says": link.says,
        "left_at": None,
    }
    new = {"name": link.name, "group_id": 0, "state": LaneState.RUNNING.value, "changed_at": clock.now_ms()}
    own = update(lanes).where(c.name == link.name).values(values).returning(c.id)
    known = connection.execute(own).scalar()
    if known is None:
        # Workers that start at the same moment all find none.
        connection.execute(insert_new(connection, lanes).values(values | new))
        known = connection.execute(own).scalar_one()
    group = _regroup(connection, link.carrier)[known]
    return Lane(known, link.name, link.carrier, group, link.one_receipt, link.says or "")


def leave(connection: Connection, named: Collection[str], host: str) -> None:
    """Mark the links that this host had open last and its settings no longer name, if nobody has them open.

    What another host opened last may be in that host's settings, as long as that host reports anything at
    all; so may a link that nobody ever opened.
    """
    now, h, c = shared_ms(connection), link_health.c, lanes.c
    newest: dict[int, tuple[int, str]] = {}
    hosts: dict[str, int] = {}
    for row in connection.execute(select(h.lane_id, h.seen_at, h.holder)):
        newest[row.lane_id] = max(newest.get(row.lane_id, (0, "")), (row.seen_at, row.holder))
        hosts[_host(row.holder)] = max(hosts.get(_host(row.holder), 0), row.seen_at)
    gone = {name for name, seen_at in hosts.items() if seen_at < now - LINK_FORGOTTEN_AFTER_MS}
    for lane_id, (seen_at, holder) in newest.items():
        if seen_at <= now - LINK_GONE_AFTER_MS and _host(holder) in {host, *gone}:
            own = update(lanes).where(c.id == lane_id, c.name.not_in(named), c.left_at.is_(None))
            connection.execute(own.values(left_at=now))


def _host(holder: str) -> str:
    return holder.partition(":")[0]


def _regroup(connection: Connection, carrier: str) -> dict[int, int]:
    """Return each lane's group: the first lane of its receipt group or account. Removed links count too."""
    c, groups = lanes.c, dict[int, int]()  # receipts of what a removed link sent come over others
    rows = connection.execute(select(lanes).where(c.carrier == carrier).order_by(c.id)).all()
    for row in rows:
        alike = [each for each in rows if each.id in groups and _shares(each, row)]
        first = min((groups[each.id] for each in alike), default=row.id)
        joined = {groups[each.id] for each in alike}
        groups = {lane: first if group in joined else group for lane, group in groups.items()} | {
            row.id: first
        }
    for row in rows:
        if row.group_id != groups[row.id]:
            connection.execute(update(lanes).where(c.id == row.id).values(group_id=groups[row.id]))
    return groups


def _shares(one: Row[Any], other: Row[Any]) -> bool:
    same = one.account is not None and one.account == other.account
    return bool(same or one.receipt_group == other.receipt_group)


def halt(connection: Connection, lane_id: int, halted: Halted) -> None:
    values = {"state": LaneState.HALTED.value, "code": halted.code, "reason": halted.reason}
    row = update(lanes).where(lanes.c.id == lane_id)
    connection.execute(row.values(**values, changed_at=clock.now_ms()))


def resettle(connection: Connection) -> None:
    """Resume the lanes that were halted because the database had been restored."""
    own = update(lanes).where(lanes.c.state == LaneState.HALTED.value, lanes.c.code == RESTORED.code)
    values = {"state": LaneState.RUNNING.value, "code": None, "reason": None, "changed_at": clock.now_ms()}
    connection.execute(own.values(values))


def state(connection: Connection, lane_id: int) -> LaneState:
    return LaneState(connection.execute(select(lanes.c.state).where(lanes.c.id == lane_id)).scalar_one())


def all_lanes(connection: Connection, carrier: str | None = None) -> list[Row[tuple[object, ...]]]:
    query = select(lanes).order_by(lanes.c.id)
    return list(connection.execute(query.where(lanes.c.carrier == carrier) if carrier else query))


def resume(connection: Connection, lane_id: int, who: str, carrier: str | None = None) -> None:
    """Resume a halted lane. Raises Conflict if it is not halted, NotFound if it is not of `carrier`."""
    row = connection.execute(select(lanes).where(lanes.c.id == lane_id)).first()
    if row is None or carrier not in (None, row.carrier):
        raise no_such("lane", lane_id)
    if row.code == RESTORED.code:
        raise Conflict(f"The lane {row.name} is halted: {RESTORED.reason}")
    halted = update(lanes).where(lanes.c.id == lane_id, lanes.c.state == LaneState.HALTED.value)
    values = {"state": LaneState.RUNNING.value, "code": None, "reason": None, "changed_at": clock.now_ms()}
    if not connection.execute(halted.values(values)).rowcount:
        raise Conflict(f"The lane {row.name} is not halted, so there is nothing to resume.")
    audit.note(connection, who, "lane resumed", f"lane {row.name}", code=row.code, reason=row.reason)

"""The links: each one's row, state and health, halting and resuming it, and the database it may send from.

A link is also halted by `_halt` of app/ledger/submit_results.py, in the commit that records why.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    bindparam,
    cast,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from app.core import clock
from app.core.states import LinkState
from app.database.connection import Database, shared_ms
from app.database.engines import insert_new
from app.database.models import (
    LINK_FORGOTTEN_AFTER_MS,
    LINK_GONE_AFTER_MS,
    database_identity,
    link_health,
    link_levels,
    link_pace,
    links,
)
from app.ledger.contract import Link
from app.ledger.ledger import Ledger
from app.security import audit, kept_rows
from carriers.contract import Carrier, Halted, LinkHealth, ReceiptLevel, ReportsHealth

RESTORED = Halted(
    "restored",
    "The database was restored to an earlier state, or a replica took over. If nothing was lost "
    "(the replica was synchronous and up to date), run `loa database restored --nothing-lost`; "
    "sending then continues where it stopped. If something may be missing (a backup, or a replica "
    "that lagged behind), stop every worker and run `loa database restored`; every message not yet "
    "sent then becomes unknown, and a person decides.",
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
    level_source: str | None = None  # who said what its receipts prove
    level_source_on: date | None = None
    sender_in_text: bool | None = None  # whether its carrier refuses texts without the sender's name
    needs_template_code: bool = False  # whether it sends the code of a registered template along


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
        "level_source": link.level_source,
        "level_source_on": link.level_source_on and link.level_source_on.isoformat(),
        "sender_in_text": link.sender_in_text,
        "needs_template_code": link.needs_template_code,
    }
    new = {"name": link.name, "group_id": 0, "state": LinkState.RUNNING.value, "changed_at": clock.now_ms()}
    row = connection.execute(select(links).where(c.name == link.name)).first()
    before = None if row is None else row.segments_per_second
    own = update(links).where(c.name == link.name).values(values).returning(c.id)
    known = connection.execute(own).scalar()
    if known is None:
        # Workers that start at the same moment all find none.
        connection.execute(insert_new(connection, links).values(values | new))
        known = connection.execute(own).scalar_one()
    connection.execute(insert_new(connection, link_pace).values(link_id=known))
    if before is not None and before != link.segments_per_second:
        _rescale(connection, known, before / link.segments_per_second)
    since = _note_level(connection, known, int(link.receipt_level))
    _audit_level(connection, row, values, link, since)
    group = _regroup(connection, link.carrier)[known]
    alike = c.account == link.account if link.account else c.id == known
    pace = connection.execute(select(func.min(c.id)).where(c.carrier == link.carrier, alike)).scalar()
    return Link(known, link.name, link.carrier, group, link.one_receipt, link.content_hash or "", pace)


def _rescale(connection: Connection, link_id: int, by: float) -> None:
    """Let what is reserved to come take as long as it does at the new rate, so that a link is not silent."""
    now, p = shared_ms(connection) * 1000, link_pace.c
    ahead = update(link_pace).where(p.link_id == link_id, p.next_free_us > now)
    connection.execute(ahead.values(next_free_us=now + cast((p.next_free_us - now) * by, BigInteger)))


def _note_level(connection: Connection, link_id: int, level: int) -> dict[str, str | None]:
    """Record since when its receipts prove so much, if they did not before; return what the act keeps."""
    c = link_levels.c
    newest = select(c.level).where(c.link_id == link_id).order_by(c.since.desc()).limit(1)
    if connection.execute(newest).scalar() == level:
        return {}
    row = {"link_id": link_id, "since": shared_ms(connection), "level": level}
    connection.execute(insert_new(connection, link_levels).values(row))
    return kept_rows.kept(connection, link_levels, c.link_id == link_id, c.since == row["since"])


def _audit_level(
    connection: Connection,
    row: Row[Any] | None,
    values: Mapping[str, Any],
    link: LinkRecord,
    since: Mapping[str, str | None],
) -> None:
    """Write into the audit what its receipts prove and who said so, if the settings say otherwise now."""
    names = ("receipt_level", "level_source", "level_source_on")
    before = None if row is None else [getattr(row, name) for name in names]
    same = before == [values[name] for name in names] or (row is None and link.level_source is None)
    if same and not since:
        return
    said = {"source": link.level_source, "on": values["level_source_on"]}
    level = link.receipt_level.name.lower()
    kept = {"kept": dict(since)} if since else {}
    audit.note(connection, "settings", "link.receipt_level", f"link/{link.name}", level=level, **said, **kept)


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


def _shares(link: Row[Any], other: Row[Any]) -> bool:
    same = link.account is not None and link.account == other.account
    return bool(same or link.receipt_group == other.receipt_group)


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


def all_links(connection: Connection, carrier: str | None = None) -> list[Row[Any]]:
    query = select(links).order_by(links.c.id)
    return list(connection.execute(query.where(links.c.carrier == carrier) if carrier else query))


def handset_sources(connection: Connection, carrier: str | None) -> list[tuple[str, str | None, date | None]]:
    """Return the links whose receipts prove the telephone, and who said so and when."""
    return [
        (row.name, row.level_source, date.fromisoformat(row.level_source_on) if row.level_source_on else None)
        for row in all_links(connection, carrier)
        if row.receipt_level == ReceiptLevel.HANDSET and row.left_at is None
    ]


# ---- Health: each process writes that of its own links in short transactions; all may read it

WRITE_EVERY_MS = 10_000  # without news; news is written at the next step
OpenLink = tuple[int, str, Carrier]  # link ID, the send loop's owner name, adapter
_MOMENTS = ("connected_since", "lost_since", "answered_at", "refused_at", "refusing_since", "waiting_since")


class HealthSweep:
    """Report this process's links: changes at once, otherwise every ten seconds."""

    def __init__(
        self, db: Database, links: Callable[[], Iterable[OpenLink]], named: Collection[str] | None = None
    ) -> None:
        """named: all links of the settings, if this process is to mark those no longer among them."""
        self._db, self._links, self._named = db, links, named
        self._said: dict[str, tuple[LinkHealth, int]] = {}

    async def step(self) -> bool:
        """Look at every link once; return False, since there is never more to do at once."""
        due = []
        for link_id, owner, carrier in self._links():
            if isinstance(carrier, ReportsHealth):
                found = carrier.health()
                if self._is_due(owner, found):
                    due.append((link_id, owner, found))
        if due:
            await self._db.write_with_retry(self._write, due)
            now = clock.now_ms()
            self._said |= {owner: (found, now) for _, owner, found in due}
        return False

    def _write(self, connection: Connection, healths: Sequence[tuple[int, str, LinkHealth]]) -> None:
        write_health(connection, healths)
        if self._named is not None:
            mark_removed(connection, self._named, own_host())

    def _is_due(self, owner: str, health: LinkHealth) -> bool:
        if owner not in self._said:
            return True
        before, at = self._said[owner]
        quiet = ("answered_at", "refused_at", "waiting_since")  # these alone are no news
        news = any(
            getattr(health, each.name) != getattr(before, each.name)
            for each in fields(health)
            if each.name not in quiet
        )
        news = news or (health.waiting_since is None) != (before.waiting_since is None)
        return news or not 0 <= clock.now_ms() - at < WRITE_EVERY_MS

    async def close(self) -> None:
        """Report the links a last time, with answers since the last report, then as closed."""
        open_links = list(self._links())
        found = [
            (link_id, owner, carrier.health())
            for link_id, owner, carrier in open_links
            if isinstance(carrier, ReportsHealth)
        ]
        await self._db.write_with_retry(_write_and_close, found, [owner for _, owner, _ in open_links])


def own_host() -> str:
    return socket.gethostname()[:30]


def write_health(connection: Connection, healths: Iterable[tuple[int, str, LinkHealth]]) -> None:
    now, c = shared_ms(connection), link_health.c
    for link_id, holder, health in healths:
        values = _values(health, now)
        own = update(link_health).where(c.link_id == link_id, c.holder == holder)
        if not connection.execute(own.values(values)).rowcount:
            connection.execute(insert(link_health).values(values | {"link_id": link_id, "holder": holder}))
    _forget(connection, now - LINK_FORGOTTEN_AFTER_MS)


def _forget(connection: Connection, before: int) -> None:
    """Delete rows of processes long gone, but keep each link's newest: else it seems never opened."""
    c, newer = link_health.c, link_health.alias()
    followed = exists().where(newer.c.link_id == c.link_id, newer.c.seen_at > c.seen_at)
    left = c.link_id.in_(select(links.c.id).where(links.c.left_at.is_not(None)))
    connection.execute(delete(link_health).where(c.seen_at < before, or_(followed, left)))


def _values(health: LinkHealth, now: int) -> dict[str, object]:
    """Return the row's values, with this process's monotonic moments converted to the database's clock."""
    here = clock.monotonic()
    values: dict[str, object] = {"seen_at": now}
    for each in fields(health):
        value = getattr(health, each.name)
        if each.name in _MOMENTS:
            values[each.name] = None if value is None else now - round(1000 * (here - value))
        else:
            values[each.name] = value or None
    return values


def mark_closed(connection: Connection, holders: Sequence[str]) -> None:
    """Mark the links of these holders as closed from now on.

    seen_at is set back, so that nobody waits for the process; lost_since has the moment.
    """
    row, now = update(link_health).where(link_health.c.holder.in_(holders)), shared_ms(connection)
    over = ("connected_since", "probing", "refusing_since", "waiting_since")
    nothing: dict[str, None] = dict.fromkeys(over)
    connection.execute(row.values(seen_at=now - LINK_GONE_AFTER_MS, lost_since=now, **nothing))


def _write_and_close(
    connection: Connection, healths: Sequence[tuple[int, str, LinkHealth]], holders: Sequence[str]
) -> None:
    write_health(connection, healths)
    mark_closed(connection, holders)


def halt_unless_up_elsewhere(connection: Connection, link_id: int, holder: str, halted: Halted) -> bool:
    """Halt the link for all, unless another process has it up: then only this one may not send.

    So a wrong password on one host stops no other. Return False if the link goes on elsewhere.
    """
    c, now = link_health.c, shared_ms(connection)
    others = select(c.holder).where(c.link_id == link_id, c.holder != holder)
    up = others.where(c.connected_since.is_not(None), c.seen_at > now - LINK_GONE_AFTER_MS)
    if connection.execute(up.limit(1)).first() is not None:
        return False
    halt(connection, link_id, halted)
    return True


# ---- Identity of the database


def moved(connection: Connection, ledger: Ledger) -> bool:
    """Return whether this is another database, or another life of it, than the one last confirmed."""
    known = _newest(connection)
    return known is not None and known != ledger.home(connection)


def at_home(connection: Connection, ledger: Ledger) -> bool:
    """Return whether it may send; a ledger that has never sent is confirmed where it is."""
    if _newest(connection) is None:
        record_identity(connection, ledger, "loa")
    return not moved(connection, ledger)


def record_identity(connection: Connection, ledger: Ledger, who: str) -> None:
    here = {"home": ledger.home(connection), "since": ledger.now_ms(connection), "by": who}
    connection.execute(insert(database_identity).values(here))


def _newest(connection: Connection) -> str | None:
    return connection.execute(_NEWEST).scalar()


# Asked at every claim.
_NEWEST = select(database_identity.c.home).order_by(database_identity.c.id.desc()).limit(1)

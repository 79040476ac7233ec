"""Link health: each process writes the state of its own links in short transactions; all may read it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import fields

from sqlalchemy import Connection, delete, exists, insert, or_, select, update

from app.core import clock
from app.database.connection import Database, shared_ms
from app.database.models import link_health
from app.database.models import links as links_table
from app.database.models.sending_tables import LINK_FORGOTTEN_AFTER_MS
from app.database.models.sending_tables import LINK_GONE_AFTER_MS as GONE_AFTER_MS
from app.dispatch import link_store
from carriers.contract import Carrier, Halted, LinkHealth, ReportsHealth

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

    def _write(self, connection: Connection, due: Sequence[tuple[int, str, LinkHealth]]) -> None:
        write_health(connection, due)
        if self._named is not None:
            link_store.mark_removed(connection, self._named, own_host())

    def _is_due(self, owner: str, found: LinkHealth) -> bool:
        if owner not in self._said:
            return True
        before, at = self._said[owner]
        quiet = ("answered_at", "refused_at", "waiting_since")  # these alone are no news
        news = any(
            getattr(found, each.name) != getattr(before, each.name)
            for each in fields(found)
            if each.name not in quiet
        )
        news = news or (found.waiting_since is None) != (before.waiting_since is None)
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


def write_health(connection: Connection, found: Iterable[tuple[int, str, LinkHealth]]) -> None:
    now, c = shared_ms(connection), link_health.c
    for link_id, holder, health in found:
        values = _values(health, now)
        own = update(link_health).where(c.link_id == link_id, c.holder == holder)
        if not connection.execute(own.values(values)).rowcount:
            connection.execute(insert(link_health).values(values | {"link_id": link_id, "holder": holder}))
    _forget(connection, now - LINK_FORGOTTEN_AFTER_MS)


def _forget(connection: Connection, before: int) -> None:
    """Delete rows of processes long gone, but keep each link's newest: else it seems never opened."""
    c, newer = link_health.c, link_health.alias()
    followed = exists().where(newer.c.link_id == c.link_id, newer.c.seen_at > c.seen_at)
    left = c.link_id.in_(select(links_table.c.id).where(links_table.c.left_at.is_not(None)))
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
    connection.execute(row.values(seen_at=now - GONE_AFTER_MS, lost_since=now, **nothing))


def _write_and_close(
    connection: Connection, found: Sequence[tuple[int, str, LinkHealth]], holders: Sequence[str]
) -> None:
    write_health(connection, found)
    mark_closed(connection, holders)


def halt_unless_up_elsewhere(connection: Connection, link_id: int, holder: str, halted: Halted) -> bool:
    """Halt the link for all, unless another process has it up: then only this one may not send.

    So a wrong password on one host stops no other. Return False if the link goes on elsewhere.
    """
    c, now = link_health.c, shared_ms(connection)
    others = select(c.holder).where(c.link_id == link_id, c.holder != holder)
    up = others.where(c.connected_since.is_not(None), c.seen_at > now - GONE_AFTER_MS)
    if connection.execute(up.limit(1)).first() is not None:
        return False
    link_store.halt(connection, link_id, halted)
    return True

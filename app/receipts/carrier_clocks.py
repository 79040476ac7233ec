"""Record which carriers' clocks differ so much from ours that their signed calls are refused."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import Connection, func, insert, select, update

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.database.connection import Database, shared_ms
from app.database.models import webhook_clocks

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 30.0  # how often to look for a fault that another process recorded
_WRITE_EVERY_S = 1.0
_ANEW_MS = 600_000  # after this long without a refusal the next one is a new fault


class Clocks:
    """What this process has seen of the clocks of carriers that call."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._looked: dict[str, float] = {}
        self._refused: dict[int, tuple[int, int]] = {}  # link -> unwritten calls, latest difference in s
        self._writing: dict[int, asyncio.Task[None]] = {}

    def is_due(self, link: str) -> bool:
        """Return whether to check again that no fault is recorded for a link whose call was right."""
        return clock.monotonic() - self._looked.get(link, -_LOOK_EVERY_S) >= _LOOK_EVERY_S

    async def note(self, link_id: int, link: str, ahead_s: int | None) -> None:
        """Record a call refused for its time, or a right one (None). A burst is written once a second."""
        if ahead_s is None:
            self._looked[link] = clock.monotonic()
            if await self._db.aread(_is_wrong, link_id):
                await self._db.awrite(_right, link_id)
            return
        self._looked.pop(link, None)
        if link_id not in self._refused and link_id not in self._writing:
            log.error("calls are refused: their clock differs", link=link, ahead_s=ahead_s)
        count, _ = self._refused.get(link_id, (0, 0))
        self._refused[link_id] = count + 1, ahead_s
        if link_id not in self._writing:
            self._writing[link_id] = asyncio.create_task(self._write(link_id))

    async def _write(self, link_id: int) -> None:
        try:
            while link_id in self._refused:
                try:
                    await self._db.awrite(_wrong, link_id, self._refused.pop(link_id))
                except DatabaseUnavailable:
                    return  # the caller was told, and its next call is recorded
                await asyncio.sleep(_WRITE_EVERY_S)
        finally:
            del self._writing[link_id]


def _wrong(connection: Connection, link_id: int, refused: tuple[int, int]) -> None:
    c, now = webhook_clocks.c, shared_ms(connection)
    count, ahead_s = refused
    known = connection.execute(select(webhook_clocks).where(c.link_id == link_id)).first()
    values = {"last_at": now, "over_at": None, "ahead_s": max(-(2**31), min(ahead_s, 2**31 - 1))}
    if known is None:
        row = {"link_id": link_id, "first_at": now, "times": count}
        connection.execute(insert(webhook_clocks).values(row | values))
        return
    if known.over_at is not None and known.last_at < now - _ANEW_MS:
        values["first_at"] = now
    own = update(webhook_clocks).where(c.link_id == link_id)
    connection.execute(own.values(times=c.times + count, **values))


def _is_wrong(connection: Connection, link_id: int) -> bool:
    c = webhook_clocks.c
    query = select(func.count()).where(c.link_id == link_id, c.over_at.is_(None))
    return bool(connection.scalar(query))


def _right(connection: Connection, link_id: int) -> None:
    own = update(webhook_clocks).where(webhook_clocks.c.link_id == link_id)
    connection.execute(own.values(over_at=shared_ms(connection)))

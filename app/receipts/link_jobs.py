"""Per-link jobs, leased so that one process runs each; another takes over if it dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.database.connection import Database
from app.ledger.ledger import Ledger
from carriers.contract import Carrier

T = TypeVar("T")

_TAKE = text(
    """
    INSERT INTO link_jobs (link_id, name, owner, until) VALUES (:link, :name, :owner, :until)
    ON CONFLICT (link_id, name) DO UPDATE SET owner = excluded.owner, until = excluded.until
     WHERE link_jobs.until <= :now OR link_jobs.owner = excluded.owner
    """
)
_LEAVE = text(
    "UPDATE link_jobs SET owner = '', until = :until"
    " WHERE link_id = :link AND name = :name AND owner = :owner"
)


def take(connection: Connection, ledger: Ledger, job: tuple[int, str, str], lease_ms: int) -> bool:
    """Take or renew the lease of (link, name, owner); False while another holds it or it is not due again."""
    link_id, name, owner = job
    now = ledger.now_ms(connection)
    values = {"link": link_id, "name": name, "owner": owner, "now": now, "until": now + lease_ms}
    return connection.execute(_TAKE, values).rowcount == 1


def leave(connection: Connection, ledger: Ledger, job: tuple[int, str, str], again_ms: int) -> None:
    """Release the lease if it is still ours; nobody takes it again for `again_ms`."""
    link_id, name, owner = job
    until = ledger.now_ms(connection) + again_ms
    connection.execute(_LEAVE, {"link": link_id, "name": name, "owner": owner, "until": until})


@dataclass(slots=True)
class JobLease:
    """One process's lease of one job, trusted only until its deadline on the monotonic clock."""

    db: Database
    ledger: Ledger
    link_id: int
    name: str
    lease_s: float
    owner: str = field(
        default_factory=lambda: f"{socket.gethostname()[:30]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    )
    _deadline: float = 0.0

    @property
    def _job(self) -> tuple[int, str, str]:
        return self.link_id, self.name, self.owner

    async def hold(self) -> bool:
        """Take the lease, or renew it once a third is over; return whether it is ours."""
        asked = clock.monotonic()
        if asked < self._deadline - self.lease_s * 2 / 3:
            return True
        held = await self.db.awrite(take, self.ledger, self._job, round(self.lease_s * 1000))
        self._deadline = asked + self.lease_s if held else 0.0
        return held

    def stands(self) -> bool:
        """Return whether it is certainly still ours: a process that was frozen must not go on."""
        return clock.monotonic() < self._deadline

    async def leave(self, again_s: float = 0.0) -> None:
        self._deadline = 0.0
        await self.db.awrite(leave, self.ledger, self._job, round(again_s * 1000))

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        keeping = asyncio.create_task(self._keep())
        try:
            return await work
        finally:
            keeping.cancel()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.lease_s / 3)
            with contextlib.suppress(DatabaseUnavailable):
                await self.hold()


async def link_ready(carrier: Carrier, within_s: float) -> bool:
    """Return whether the link can be asked now; not if it is halted, closed or down."""
    if carrier.halted() is not None:
        return False
    try:
        await asyncio.wait_for(carrier.ready(), within_s)
    except TimeoutError:
        return False
    return carrier.halted() is None

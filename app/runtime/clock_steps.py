"""Handle a host's clock that is set back under a ledger on SQLite, so that nothing waits longer for it.

The ledger stores leases, pauses and retries as the moment at which they end. After such a step these moments
are moved back as far. So is the time from which a message can have been sent, or is unknown: its receipt
would seem older. Sending hours, and what else has happened, stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, func, select, update

from app.core import clock
from app.core.logger import get_logger
from app.database.connection import Database
from app.database.models import (
    batches,
    chunks,
    erasures,
    faults,
    link_health,
    link_jobs,
    notices,
    quarantine,
    receipt_files,
    status_queries,
    unknowns,
)

log = get_logger(__name__)

# Smaller steps are waited out; no lease taken after a step ends this far ahead.
LEAST_MS = 600_000
_MOVED = (
    *(chunks.c.not_before, chunks.c.lease_until, quarantine.c.try_at, status_queries.c.due_at),
    link_jobs.c.until,
    *(notices.c.due_at, notices.c.lease_until, erasures.c.lease_until, batches.c.lease_until),
    *(receipt_files.c.lease_until, faults.c.red_until, link_health.c.seen_at),
    *(chunks.c.taken_at, unknowns.c.since),
)


class ClockSteps:
    """Compare the host's clock to a monotonic one, and to the latest time that it has told this process.

    The latter shows a clock that was ahead between two calls only. On PostgreSQL the server's clock counts
    instead.
    """

    def __init__(
        self,
        db: Database,
        wall_ms: Callable[[], int] = lambda: clock.now_ms(),
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._db, self._wall_ms, self._monotonic = db, wall_ms, monotonic
        clock.forget_latest()
        self._ahead_ms, self._is_first = self._look(), True

    def _look(self) -> float:
        """Return how far the host's clock is ahead of the monotonic one, in ms."""
        return self._wall_ms() - 1000 * self._monotonic()

    async def step(self) -> bool:
        """Move what waits if the clock was set back since the last call; return False (nothing is left)."""
        before, now = self._ahead_ms, self._look()
        if self._db.sqlite:
            by_ms = max(round(before - now), clock.latest_ms() - self._wall_ms())
            if self._is_first:
                by_ms = max(by_ms, await self._since_the_last_process())
            if by_ms >= LEAST_MS:
                log.error("this host's clock was set back", seconds=by_ms // 1000)
                clock.forget_latest()
                await self._db.insist(_move, self._wall_ms(), by_ms)
        self._ahead_ms, self._is_first = now, False
        return False

    async def _since_the_last_process(self) -> int:
        """Return how far the clock was set back while no worker ran, as far as link_health shows it."""
        last = await self._db.insist_reading(lambda c: c.scalar(select(func.max(link_health.c.seen_at))))
        return int(last or 0) - self._wall_ms()


def _move(connection: Connection, now_ms: int, by_ms: int) -> None:
    for column in _MOVED:
        late = update(column.table).where(column > now_ms + LEAST_MS)
        connection.execute(late.values({column.name: column - by_ms}))

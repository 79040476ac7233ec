"""Handle a clock that is set back, so that nothing waits longer: the host's on SQLite, else the server's.

The ledger stores leases, pauses and retries as the moment at which they end. After such a step these moments
are moved back as far. So is the time from which a message can have been sent, or is unknown: its receipt
would seem older. Sending hours, and what else has happened, stay as they are. On PostgreSQL a process that is
gone shows it, whose last report lies in the future; so does a ledger that was copied there.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, func, select, update

from app.core import clock
from app.core.logger import get_logger
from app.database.advisory_locks import AdvisoryLock
from app.database.clock_leaps import LeapWatch
from app.database.connection import Database, one_at_a_time, shared_ms
from app.database.models import (
    chunks,
    faults,
    jobs,
    link_health,
    link_pace,
    notices,
    quarantine,
    status_queries,
    unknowns,
)

log = get_logger(__name__)

# Smaller steps are waited out; no lease taken after a step ends this far ahead.
LEAST_MS = 600_000
_MOVED = (
    *(chunks.c.not_before, chunks.c.lease_until, quarantine.c.try_at, status_queries.c.due_at),
    *(jobs.c.due_at, jobs.c.lease_until, notices.c.due_at, faults.c.red_until, link_health.c.seen_at),
    *(chunks.c.taken_at, unknowns.c.since),
)


class ClockSteps:
    """Compare the host's clock to a monotonic one, and to the latest time that it has told this process.

    The latter shows a clock that was ahead between two calls only. On PostgreSQL the server's clock counts,
    and what processes have reported by it.
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
        self._leaps = LeapWatch()

    def _look(self) -> float:
        """Return how far the host's clock is ahead of the monotonic one, in ms."""
        return self._wall_ms() - 1000 * self._monotonic()

    async def step(self) -> bool:
        """Move what waits if the clock was set back since the last call; return False (nothing is left).

        A leap ahead is recorded, so that what is irreversible waits.
        """
        if await self._db.read_with_retry(self._leaps.is_due):
            await self._db.write_with_retry(self._leaps.note, self._monotonic())
        if not self._db.sqlite:
            return await self._step_of_server()
        before, now = self._ahead_ms, self._look()
        by_ms = max(round(before - now), clock.latest_ms() - self._wall_ms())
        if self._is_first:
            by_ms = max(by_ms, await self._since_the_last_process())
        if by_ms >= LEAST_MS:
            log.error("this host's clock was set back", seconds=by_ms // 1000)
            clock.forget_latest()
            await self._db.write_with_retry(_move, self._wall_ms(), by_ms)
        self._ahead_ms, self._is_first = now, False
        return False

    async def _step_of_server(self) -> bool:
        if await self._db.read_with_retry(_reported_ahead) >= LEAST_MS:
            by_ms = await self._db.write_with_retry(_move_by_reports)
            if by_ms:
                log.error("the database's clock was set back", seconds=by_ms // 1000)
        return False

    async def _since_the_last_process(self) -> int:
        """Return how far the clock was set back while no worker ran, as far as link_health shows it."""
        last = await self._db.read_with_retry(lambda c: c.scalar(select(func.max(link_health.c.seen_at))))
        return int(last or 0) - self._wall_ms()


def _move(connection: Connection, now_ms: int, by_ms: int) -> None:
    for column in _MOVED:
        late = update(column.table).where(column > now_ms + LEAST_MS)
        connection.execute(late.values({column.name: column - by_ms}))
    p = link_pace.c
    late = update(link_pace).where(p.next_free_us > 1000 * (now_ms + LEAST_MS))
    connection.execute(late.values(next_free_us=p.next_free_us - 1000 * by_ms))


def _reported_ahead(connection: Connection) -> int:
    """Return by how many ms the latest report of any process lies in the future; 0 or less if none does."""
    last = connection.scalar(select(func.max(link_health.c.seen_at)))
    return int(last or 0) - shared_ms(connection)


def _move_by_reports(connection: Connection) -> int:
    """Move what waits, unless another process has; return by how many ms."""
    one_at_a_time(connection, AdvisoryLock.CLOCK_STEP)
    by_ms = _reported_ahead(connection)
    if by_ms < LEAST_MS:
        return 0
    _move(connection, shared_ms(connection), by_ms)
    return by_ms

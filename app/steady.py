"""The clock of a ledger on SQLite: it never goes back, so what was written is never of a time to come.

A host's clock that is set back would have leases, pauses and looks wait for as long as it was set back, and
receipts speak of messages that seem to have been sent after them. After such a step this clock goes on slowly
until the host's has caught up. Sending hours go by the host's clock itself.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from sqlalchemy import Connection

from app import clock
from app.logger import get_logger

log = get_logger(__name__)

_RATE = (
    0.25  # of time, while the host's clock is behind: an hour is made up for in an hour and twenty minutes
)
# A clock that was further ahead was plainly wrong: by its times nothing is to be kept waiting.
MOST_MS = 26 * 3_600_000
_SAID_MS = 2000
_SERVER_MS = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"


class SteadyClock:
    """Readings of one ledger in one process, from any thread."""

    def __init__(
        self,
        wall_ms: Callable[[], int] = lambda: clock.now_ms(),  # asked anew: the drill sets it
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._wall_ms, self._monotonic = wall_ms, monotonic
        self._lock = Lock()
        self._reading: float | None = None
        self._read_at = 0.0
        self._behind = False

    def now_ms(self, newest_ms: Callable[[], int]) -> int:
        """Ms since 1970. newest_ms: is asked once for the newest time that the ledger holds."""
        with self._lock:
            wall, at = self._wall_ms(), self._monotonic()
            if self._reading is None:
                newest = newest_ms()
                self._reading = newest if wall < newest <= wall + MOST_MS else wall
            passed_ms = max(0.0, 1000 * (at - self._read_at)) if self._read_at else 0.0
            self._reading, self._read_at = self._next(wall, self._reading, passed_ms), at
            self._say(wall, self._reading)
            return int(self._reading)

    def _next(self, wall: int, before: float, passed_ms: float) -> float:
        if wall >= before or before > wall + MOST_MS:
            return wall
        return before + _RATE * passed_ms

    def _say(self, wall: int, reading: float) -> None:
        behind = reading - wall > _SAID_MS
        if behind and not self._behind:
            log.error("this host's clock was set back", seconds=round((reading - wall) / 1000))
        self._behind = behind


def shared_ms(connection: Connection) -> int:
    """What the clock says that all processes share, ms since 1970: the server's, or on SQLite our own.

    On SQLite it never goes back: what is by the time of the day asks `wall_ms`.
    """
    if connection.dialect.name != "sqlite":
        return int(connection.exec_driver_sql(_SERVER_MS).scalar_one())
    steady: SteadyClock | None = connection.get_execution_options().get("loa_clock")
    return clock.now_ms() if steady is None else steady.now_ms(lambda: _newest_ms(connection))


def wall_ms(connection: Connection) -> int:
    """The time of the day for all processes: the server's, or on SQLite that of the host."""
    return clock.now_ms() if connection.dialect.name == "sqlite" else shared_ms(connection)


def _newest_ms(connection: Connection) -> int:
    """When a worker last said how its links stand: every ten seconds as long as one is at work."""
    if not connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'link_health'").first():
        return 0
    return connection.exec_driver_sql("SELECT max(seen_at) FROM link_health").scalar() or 0

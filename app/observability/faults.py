"""Unexpected errors: each ends only the work it hit, and is logged, counted and shown until it is over."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from app.core import clock
from app.core.errors import DatabaseUnavailable, Impossible
from app.core.logger import get_logger
from app.database.connection import Database, shared_ms
from app.database.models import faults

if TYPE_CHECKING:  # commands that note a fault count nothing
    from app.observability.metrics import Metrics

log = get_logger(__name__)

T = TypeVar("T")

_HERE = Path(__file__).parents[2]
RED_MS = 300_000  # work is retried every minute or more often; after this much silence a fault is over
_KEPT_MS = 90 * clock.DAY_MS
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
_WELL_S = 60.0  # after this long without a fault the pauses start over
_LONGEST_REST_S = 600.0


@dataclass(slots=True)
class Faults:
    """Where the parts of a process report unexpected errors."""

    db: Database
    metrics: Metrics

    async def note(self, source: str, error: BaseException, subject: str = "", red_ms: int = RED_MS) -> None:
        """Record a fault. source: the part; subject: the row it hit; red_ms: how long it is shown."""
        reason = described(error)
        log.error("fault", source=source, subject=subject, reason=reason, exc_info=error)
        self.metrics.fault(source)
        await outcome(self.db.awrite(_note, source, subject, (reason, red_ms)))

    async def over(self, source: str, subject: str = "") -> None:
        """Record that the part works again, or that the row was handled."""
        log.info("fault is over", source=source, subject=subject)
        await outcome(self.db.awrite(_over, source, subject))


def described(error: BaseException) -> str:
    """Describe an error by type and place only, since its message may hold a number or a secret.

    One of the ledger's own checks says what does not agree.
    """
    if isinstance(error, Impossible):
        return str(error)
    names = [type(error).__name__]
    if isinstance(error, DBAPIError):
        names.append(type(error.orig).__name__)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_HERE / "app")]
    places = [f"{Path(frame.filename).relative_to(_HERE).as_posix()}:{frame.lineno}" for frame in own[-1:]]
    return ", ".join(names + places)


async def outcome(work: Awaitable[T]) -> T | BaseException:
    (end,) = await asyncio.gather(work, return_exceptions=True)
    return end


def _note(connection: Connection, source: str, subject: str, fault: tuple[str, int]) -> None:
    f, now = faults.c, shared_ms(connection)
    reason, red_ms = fault
    own = update(faults).where(f.source == source, f.subject == subject)
    values = {"reason": reason, "last_at": now, "red_until": now + red_ms}
    if not connection.execute(own.values(**values, times=f.times + 1)).rowcount:
        key = {"source": source, "subject": subject, "first_at": now, "times": 1}
        connection.execute(insert(faults).values(key | values))
    connection.execute(delete(faults).where(f.last_at < now - _KEPT_MS))


def record(connection: Connection, source: str, subject: str, sentence: str) -> None:
    """Record a fault that Loa has found in its own rows; the sentence must bear no number and no secret."""
    log.error("fault", source=source, subject=subject, reason=sentence)
    _note(connection, source, subject, (sentence[:300], RED_MS))


def _over(connection: Connection, source: str, subject: str) -> None:
    f = faults.c
    own = update(faults).where(f.source == source, f.subject == subject)
    connection.execute(own.values(red_until=shared_ms(connection)))


def present(connection: Connection, now: int | None = None) -> list[Row[Any]]:
    """Return the faults that are not over, newest first; now: shared_ms, if the caller has read it."""
    return list(connection.execute(_PRESENT, {"now": now or shared_ms(connection)}))


_PRESENT = (
    select(faults)
    .where(faults.c.red_until > bindparam("now"))
    .order_by(faults.c.last_at.desc(), faults.c.source, faults.c.subject)
    .limit(100)
)


@dataclass(slots=True)
class Supervisor:
    """Keep the parts of a process running: restart one that fails, after growing pauses."""

    faults: Faults
    stopping: asyncio.Event

    async def keep(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run until the work ends normally. Raises DatabaseUnavailable, and any error while stopping."""
        pause_s, faulty = _FIRST_PAUSE_S, False
        while True:
            task = asyncio.create_task(work())
            try:
                await asyncio.wait({task}, timeout=_WELL_S if faulty else None)
                if faulty and not task.done():
                    await self.faults.over(name)
                    pause_s, faulty = _FIRST_PAUSE_S, False
                    await asyncio.wait({task})
            finally:
                task.cancel()
            error = task.exception()
            if error is None:
                return
            if isinstance(error, DatabaseUnavailable) or self.stopping.is_set():
                raise error
            faulty = True
            await self.faults.note(name, error)
            await self._pause(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return


@dataclass(slots=True)
class Aside:
    """Rows that one part could not handle: each rests for a growing time while the others go on."""

    faults: Faults
    source: str
    longest_s: float = _LONGEST_REST_S
    _rests: dict[int, tuple[int, float]] = field(default_factory=dict)  # failures, and end (monotonic)

    def resting(self) -> list[int]:
        now = clock.monotonic()
        return [row for row, (_, until) in self._rests.items() if until > now]

    async def attempt(self, row: int, subject: str, work: Awaitable[bool]) -> bool:
        """Return the result of the work; True if it failed, since other rows may be waiting."""
        end = await self.result(row, subject, work)
        return True if end is None else end

    async def result(self, row: int, subject: str, work: Awaitable[T]) -> T | None:
        """Return the result of the work; None if it failed and the row is left alone for now."""
        end = await outcome(work)
        if not isinstance(end, BaseException):
            if self._rests.pop(row, None):
                await self.faults.over(self.source, subject)
            return end
        await self.failed(row, subject, end)
        return None

    async def failed(self, row: int, subject: str, error: BaseException) -> None:
        """Leave the row alone for a growing time, and show the fault; re-raise errors not due to a row."""
        if isinstance(error, DatabaseUnavailable) or not isinstance(error, Exception):
            raise error
        times = self._rests.get(row, (0, 0.0))[0] + 1
        rest_s = min(2.0 ** min(times, 10), self.longest_s)
        self._rests[row] = times, clock.monotonic() + rest_s
        await self.faults.note(self.source, error, subject, RED_MS + round(rest_s * 1000))

"""Whether something irreversible may happen at this time: not after the shared clock has leapt ahead.

A worker records the shared time every minute. A time that lies more than an hour beyond the last recorded
one, and beyond what the worker's monotonic clock allows, is a leap: a wrong clock, or a machine that was off.
What cannot be undone then waits until the new time has lasted a day of running, or a person confirms it.
Everything else goes on at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from app.core import clock
from app.core.clock import DAY_MS
from app.core.logger import get_logger
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import one_at_a_time, shared_ms
from app.database.models import audit, link_health, trusted_clock
from carriers.phrases import Phrase

LEAP_MS = 3_600_000
NOTE_EVERY_MS = 60_000
_T = trusted_clock.c
log = get_logger(__name__)


class Leap(NamedTuple):
    """The last time that is trusted, and the time to which the clock has leapt, both ms since 1970."""

    trusted_ms: int
    leapt_ms: int

    @property
    def sentence(self) -> Phrase:
        """Say what has happened, what waits, and what to do."""
        return Phrase(
            "The clock leapt from {before} to {after}, or nothing was running in between. Erasure and "
            "snapshots wait until the new time has lasted a day. If it is right, run `loa clock confirm`.",
            before=f"{clock.moment(self.trusted_ms):%d/%m/%Y %H:%M}",
            after=f"{clock.moment(self.leapt_ms):%d/%m/%Y %H:%M}",
        )


def leap(connection: Connection) -> Leap | None:
    """Return the leap for which everything irreversible has to wait; None if it may happen now."""
    row = _row(connection)
    if row is None:
        return None
    if row.leapt_at is not None:
        return Leap(row.trusted_at, row.leapt_at)
    now = shared_ms(connection)
    return Leap(row.trusted_at, now) if now > row.trusted_at + LEAP_MS else None


def may_be_irreversible(connection: Connection) -> bool:
    """Return whether something irreversible may happen at this time."""
    return leap(connection) is None


def confirm(connection: Connection) -> Leap | None:
    """Trust the present time on a person's word; return the leap that this ends, None if there was none."""
    one_at_a_time(connection, AdvisoryLock.CLOCK_STEP)
    found = leap(connection)
    _trust(connection, shared_ms(connection))
    return found


@dataclass(slots=True)
class LeapWatch:
    """What one process has seen of the shared clock (ms), beside its own monotonic one (s)."""

    seen: tuple[int, float] | None = None

    def is_due(self, connection: Connection) -> bool:
        """Return whether there is something to record, without writing."""
        row = _row(connection)
        return row is None or abs(shared_ms(connection) - row.noted_at) >= NOTE_EVERY_MS

    def note(self, connection: Connection, monotonic_s: float) -> None:
        """Record the time, or that it has leapt, or how long the new time has lasted."""
        one_at_a_time(connection, AdvisoryLock.CLOCK_STEP)
        row, now = _row(connection), shared_ms(connection)
        elapsed_ms = 0 if self.seen is None else round(1000 * (monotonic_s - self.seen[1]))
        allowed_ms = 0 if self.seen is None else self.seen[0] + elapsed_ms
        self.seen = (now, monotonic_s)
        if row is None:
            row_ms = _last_recorded(connection) or now
            _trust(connection, row_ms)
            row = connection.execute(select(trusted_clock)).one()
        if row.leapt_at is None:
            if now <= max(row.trusted_at, allowed_ms) + LEAP_MS:
                _trust(connection, now)
            else:
                log.error("the clock has leapt ahead", seconds=(now - row.trusted_at) // 1000)
                self._record(connection, noted_at=now, leapt_at=now, lasted_ms=0)
            return
        passed_ms = max(0, min(elapsed_ms, now - row.noted_at))
        again = now > row.noted_at + elapsed_ms + LEAP_MS
        lasted_ms = 0 if again else row.lasted_ms + passed_ms
        if now <= row.trusted_at + row.lasted_ms + passed_ms + LEAP_MS:
            log.warning("the clock was set back after a leap")
            _trust(connection, now)
        elif lasted_ms >= DAY_MS:
            log.warning("the clock's new time has lasted a day")
            _trust(connection, now)
        else:
            self._record(connection, noted_at=now, lasted_ms=lasted_ms)

    def _record(self, connection: Connection, **values: int) -> None:
        connection.execute(update(trusted_clock).values(values))


def _row(connection: Connection) -> Row[Any] | None:
    return connection.execute(select(trusted_clock).where(_T.id == 1)).first()


def _trust(connection: Connection, now: int) -> None:
    connection.execute(delete(trusted_clock))
    connection.execute(insert(trusted_clock).values(id=1, trusted_at=now, noted_at=now))


def _last_recorded(connection: Connection) -> int | None:
    """Return the latest time that a ledger of before this table has recorded by itself."""
    times = (select(func.max(column)) for column in (audit.c.at, link_health.c.seen_at))
    found = [connection.execute(query).scalar() for query in times]
    return max((at for at in found if at is not None), default=None)

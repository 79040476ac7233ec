"""Background work: one row per job, held under a lease by the process that does it.

A job is claimed, renewed while it is done, and then finished, or released until it is due again. A process
that dies loses its jobs when their leases end. Its owner's token fences it: a job that was lost is neither
renewed nor finished.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, delete, select, update

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.database.connection import Database, shared_ms
from app.database.engines import insert_new
from app.database.models import jobs

T = TypeVar("T")
_J = jobs.c

LEASE_MS = 60_000
_LONGEST_REST_S = 600.0
_ERROR_LENGTH = 300


# ---- Owners


def new_owner() -> str:
    """Return a token for one job of this process: host and process number for people, and what is unique."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(8)}"


def is_free(owner: str | None, lease_until: int | None, now: int) -> bool:
    """Return whether nobody holds this lease, which its time alone decides.

    Host names and process numbers repeat among containers, so neither tells whether an owner lives.
    """
    return owner is None or (lease_until or 0) <= now


# ---- Jobs


@dataclass(frozen=True, slots=True)
class Job:
    """A job that this process has claimed.

    tries: how often it was begun since it last ended well, this time included; error: why it failed last.
    """

    kind: str
    subject: str
    owner: str
    tries: int = 1
    error: str | None = None
    lease_ms: int = LEASE_MS

    def rest_s(self) -> float:
        """Return how long the job rests if it fails now: longer with every try."""
        return min(2.0 ** min(self.tries, 10), _LONGEST_REST_S)


def add(connection: Connection, kind: str, *subjects: str) -> None:
    """Add jobs that are due at once, unless they are there."""
    now = shared_ms(connection)
    rows = [{"kind": kind, "subject": each, "due_at": now} for each in subjects]
    connection.execute(insert_new(connection, jobs), rows)


def due(connection: Connection, kinds: Collection[str]) -> Sequence[Row[Any]]:
    """Return the jobs of these kinds to be claimed, the longest waiting first, without writing."""
    now = shared_ms(connection)
    query = select(jobs).where(_J.kind.in_(kinds), _J.due_at <= now).order_by(_J.due_at, _J.subject)
    return [row for row in connection.execute(query) if is_free(row.owner, row.lease_until, now)]


def claim(connection: Connection, job: Job, *, early: bool = False) -> Job | None:
    """Claim the job for its owner, who may hold it already; None while another process has it.

    early: also before it is due.
    """
    now = shared_ms(connection)
    row = connection.execute(select(jobs).where(*_of(job)).with_for_update(skip_locked=True)).first()
    if row is None or (row.due_at > now and not early):
        return None
    again = row.owner == job.owner  # the answer to an earlier commit was lost
    if not (again or is_free(row.owner, row.lease_until, now)):
        return None
    held = replace(job, tries=row.tries + (not again), error=row.error)
    own = {"owner": job.owner, "lease_until": now + job.lease_ms, "tries": held.tries}
    connection.execute(update(jobs).where(*_of(job)).values(own))
    return held


def take(connection: Connection, job: Job, *, early: bool = False) -> Job | None:
    """Claim the job, which is added where it is missing."""
    add(connection, job.kind, job.subject)
    return claim(connection, job, early=early)


def renew(connection: Connection, job: Job) -> bool:
    """Extend the lease; False if the job is lost to another process."""
    held = update(jobs).where(*_own(job))
    return bool(connection.execute(held.values(lease_until=shared_ms(connection) + job.lease_ms)).rowcount)


def finish(connection: Connection, job: Job) -> bool:
    """Remove the job, which is done for good; False if it is lost."""
    return bool(connection.execute(delete(jobs).where(*_own(job))).rowcount)


def release(
    connection: Connection, job: Job, again_s: float = 0.0, tries: int = 0, error: str | None = None
) -> bool:
    """Let go of the job until it is due again; False if it is lost.

    tries: what counts from now on; error: why it failed.
    """
    due_at = shared_ms(connection) + round(again_s * 1000)
    free = {"owner": None, "lease_until": None, "due_at": due_at, "tries": tries}
    said = error and error[:_ERROR_LENGTH]
    return bool(connection.execute(update(jobs).where(*_own(job)).values(free | {"error": said})).rowcount)


def fail(connection: Connection, job: Job, error: str) -> bool:
    """Release the job until its rest is over; False if it is lost."""
    return release(connection, job, job.rest_s(), job.tries, error)


def _of(job: Job) -> tuple[ColumnElement[bool], ...]:
    return _J.kind == job.kind, _J.subject == job.subject


def _own(job: Job) -> tuple[ColumnElement[bool], ...]:
    return *_of(job), _J.owner == job.owner


# ---- Holding a job for long


async def kept(db: Database, job: Job, work: Awaitable[T]) -> T:
    """Return the result of the work, during which the lease is renewed."""

    async def renewing() -> None:
        while True:
            await asyncio.sleep(job.lease_ms / 3000)
            with suppress(DatabaseUnavailable):
                await db.awrite(renew, job)

    keeping = asyncio.create_task(renewing())
    try:
        return await work
    finally:
        keeping.cancel()


@dataclass(slots=True)
class Hold:
    """One process's hold of a job that has no end, trusted only until a deadline on the monotonic clock."""

    db: Database
    kind: str
    subject: str
    lease_s: float
    owner: str = field(default_factory=new_owner)
    _deadline: float = 0.0

    async def hold(self) -> bool:
        """Claim the job, or renew it once a third of the lease is over; return whether it is ours."""
        asked = clock.monotonic()
        if asked < self._deadline - self.lease_s * 2 / 3:
            return True
        held = await self.db.awrite(self._take)
        self._deadline = asked + self.lease_s if held else 0.0
        return held

    def stands(self) -> bool:
        """Return whether it is certainly still ours: a process that was frozen must not go on."""
        return clock.monotonic() < self._deadline

    async def during(self, work: Awaitable[T]) -> T:
        return await kept(self.db, self._job(), work)

    async def leave(self) -> None:
        self._deadline = 0.0
        await self.db.awrite(release, self._job())

    def _job(self) -> Job:
        return Job(self.kind, self.subject, self.owner, lease_ms=round(self.lease_s * 1000))

    def _take(self, connection: Connection) -> bool:
        return renew(connection, self._job()) or take(connection, self._job()) is not None

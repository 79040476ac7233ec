"""Do jobs as they come due, each under its lease; of each kind one at a time in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from app.core.errors import DatabaseUnavailable
from app.database import jobs
from app.database.connection import Database
from app.database.jobs import Job, new_owner
from app.observability.faults import RED_MS, Faults, described, outcome

_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class JobKind:
    """How jobs of a kind are done, which must be safe to do twice.

    every_s: there is one job of this kind, which comes again so long after its end.
    """

    work: Callable[[Job], Awaitable[object]]
    every_s: float | None = None


@dataclass(slots=True)
class JobLoop:
    """Claims jobs and does them, in any number of processes. A job that fails rests, and is shown."""

    db: Database
    faults: Faults
    kinds: Mapping[str, JobKind]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _under_way: dict[str, asyncio.Task[None]] = field(default_factory=dict)  # by kind
    _stopping: bool = False

    def stop(self) -> None:
        """Begin no further job; run() returns when those under way have ended."""
        self._stopping = True
        self.wake.set()

    async def run(self) -> None:
        for kind in (kind for kind, how in self.kinds.items() if how.every_s is not None):
            await self.db.write_with_retry(jobs.add, kind, "")
        while not self._stopping:
            self.wake.clear()
            await self._begin()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), _LOOK_EVERY_S)
        await asyncio.gather(*self._under_way.values())

    async def _begin(self) -> None:
        idle = [kind for kind in self.kinds if kind not in self._under_way]
        for row in await self.db.read_with_retry(jobs.due, idle):
            if not (self._stopping or row.kind in self._under_way):
                job = Job(row.kind, row.subject, new_owner())
                if claimed := await self.db.write_with_retry(jobs.claim, job):
                    self._under_way[row.kind] = asyncio.create_task(self._do(claimed))

    async def _do(self, job: Job) -> None:
        try:
            await self._work(job)
        finally:
            del self._under_way[job.kind]
            self.wake.set()

    async def _work(self, job: Job) -> None:
        how = self.kinds[job.kind]
        end = await outcome(jobs.kept(self.db, job, how.work(job)))
        with suppress(DatabaseUnavailable):  # the lease ends by itself
            if isinstance(end, BaseException):
                own = await self.db.write_with_retry(jobs.fail, job, described(end))
                if own and not isinstance(end, DatabaseUnavailable):
                    await self.faults.note(job.kind, end, job.subject, RED_MS + round(1000 * job.rest_s()))
                return
            if how.every_s is None:
                await self.db.write_with_retry(jobs.finish, job)
            else:
                await self.db.write_with_retry(jobs.release, job, 0.0 if self._stopping else how.every_s)
            if job.error:
                await self.faults.over(job.kind, job.subject)

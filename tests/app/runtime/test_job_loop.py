"""Jobs are done as they come due, each by one process; what fails is done again, and shown until then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from sqlalchemy import select

from app.core.errors import Conflict, DatabaseUnavailable
from app.database import jobs
from app.database.connection import Database
from app.database.jobs import Job
from app.database.models import jobs as table
from app.observability import faults
from app.observability.faults import Faults
from app.observability.metrics import Metrics
from app.runtime.job_loop import JobKind, JobLoop
from tests.app.held import expire, held_by
from tests.engines import each_engine

database_url = each_engine


@asynccontextmanager
async def at_work(db: Database, kinds: Mapping[str, JobKind], loops: int = 1) -> AsyncIterator[list[JobLoop]]:
    """So many loops at work, which end with this."""
    found = [JobLoop(db, Faults(db, Metrics()), kinds) for _ in range(loops)]
    running = [asyncio.create_task(each.run()) for each in found]
    try:
        yield found
    finally:
        for each in found:
            each.stop()
        await asyncio.gather(*running)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - of the loops' tasks
            await asyncio.sleep(0.01)


def left(db: Database) -> list[tuple[str, int, str | None]]:
    query = select(table.c.subject, table.c.tries, table.c.error).order_by(table.c.subject)
    return [tuple(row) for row in db.read(lambda c: c.execute(query).all())]  # type: ignore[misc]


def shown(db: Database) -> list[tuple[str, str, str]]:
    return [(row.source, row.subject, row.reason) for row in db.read(faults.present)]


async def test_each_job_is_done_once_by_one_of_two(db: Database) -> None:
    done: list[str] = []

    async def work(job: Job) -> None:
        await asyncio.sleep(0.02)
        done.append(job.subject)

    names = [f"batch {n:02}" for n in range(12)]
    db.write(jobs.add, "follow-ups", *names)
    async with at_work(db, {"follow-ups": JobKind(work)}, loops=2):
        await until(lambda: len(done) == 12 and left(db) == [])
    assert sorted(done) == names


async def test_a_job_that_fails_rests_is_shown_and_keeps_no_other_waiting(db: Database) -> None:
    done: list[str] = []

    async def work(job: Job) -> None:
        if job.subject == "batch 1" and job.tries < 2:
            raise ZeroDivisionError
        done.append(job.subject)

    db.write(jobs.add, "follow-ups", "batch 1", "batch 2")
    async with at_work(db, {"follow-ups": JobKind(work)}) as (loop,):
        await until(lambda: done == ["batch 2"] and [each[0] for each in left(db)] == ["batch 1"])
        ((_, tries, error),) = left(db)
        assert tries == 1
        assert shown(db) == [("follow-ups", "batch 1", error)]
        assert str(error).startswith("ZeroDivisionError")
        expire(db)  # its rest
        loop.wake.set()
        await until(lambda: left(db) == [])
        await until(lambda: shown(db) == [])
    assert done == ["batch 2", "batch 1"]


async def test_neither_a_database_that_is_away_nor_the_work_of_another_is_a_fault(db: Database) -> None:
    done: list[str] = []

    async def work(job: Job) -> None:
        done.append(job.subject)
        if job.subject == "batch 1":
            raise DatabaseUnavailable("The database is away.")
        held_by(db, job.kind, job.subject, "elsewhere:1:a:b")
        raise Conflict("Taken over.")

    db.write(jobs.add, "follow-ups", "batch 1", "batch 2")
    async with at_work(db, {"follow-ups": JobKind(work)}):
        await until(lambda: done == ["batch 1", "batch 2"])
    assert [each[:2] for each in left(db)] == [("batch 1", 1), ("batch 2", 1)]
    assert shown(db) == []


async def test_the_job_of_a_killed_process_is_done_when_its_lease_is_over(db: Database) -> None:
    done: list[str] = []

    async def work(job: Job) -> None:
        done.append(f"{job.subject}, try {job.tries}")

    held_by(db, "follow-ups", "batch 1", "elsewhere:1:abcd:ef", lease_ms=1500)
    async with at_work(db, {"follow-ups": JobKind(work)}, loops=2):
        await asyncio.sleep(0.8)
        assert done == []
        await until(lambda: left(db) == [])
    assert done == ["batch 1, try 2"]


async def test_what_comes_again_is_done_by_one_of_two_and_not_before_its_time(db: Database) -> None:
    done: list[str] = []

    async def work(job: Job) -> None:
        done.append(job.owner)

    kinds = {"zones": JobKind(work, every_s=60.0)}
    async with at_work(db, kinds, loops=2):
        await until(lambda: len(done) == 1)
        await asyncio.sleep(1.5)
        assert len(done) == 1
        expire(db)
        await until(
            lambda: len(done) == 2 and left(db) == [("", 0, None)]
        )  # a stop before lets it go at once
    async with at_work(db, kinds):  # a start is no reason to do it again
        await asyncio.sleep(0.5)
    assert len(done) == 2


async def test_a_stop_waits_for_what_is_under_way_and_lets_it_go_on_elsewhere_at_once(db: Database) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(_: Job) -> None:
        begun.set()
        await go_on.wait()

    kinds = {"retention": JobKind(work, every_s=300.0)}
    async with at_work(db, kinds) as (loop,):
        await begun.wait()
        loop.stop()
        asyncio.get_running_loop().call_later(0.3, go_on.set)
    assert go_on.is_set()
    assert [row.subject for row in db.read(jobs.due, ["retention"])] == [""]

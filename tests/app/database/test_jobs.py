"""One process does a job; another goes on where it died; what fails rests longer each time."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select, update

from app.database import jobs
from app.database.connection import Database
from app.database.jobs import Hold, Job, new_owner
from app.database.models import jobs as table
from tests.engines import each_engine

database_url = each_engine

HOST = socket.gethostname()[:40]


def job(subject: str = "batch 1", **changes: object) -> Job:
    return Job("import", subject, new_owner(), **changes)  # type: ignore[arg-type]


def row(db: Database, subject: str = "batch 1") -> tuple[str | None, int, str | None]:
    query = select(table.c.owner, table.c.tries, table.c.error).where(table.c.subject == subject)
    return tuple(db.read(lambda c: c.execute(query).one()))  # type: ignore[return-value]


def expire(db: Database) -> None:
    """Let the time of all leases, and what is waited for, be over."""
    over = {"lease_until": 0, "due_at": 0}
    db.write(lambda c: c.execute(update(table).values(over)))


def waiting(db: Database) -> list[str]:
    return [each.subject for each in db.read(jobs.due, ["import"])]


def test_a_job_is_done_by_one_and_then_gone(db: Database) -> None:
    db.write(jobs.add, "import", "batch 1", "batch 2")
    db.write(jobs.add, "import", "batch 1")
    assert waiting(db) == ["batch 1", "batch 2"]
    mine = db.write(jobs.claim, job())
    assert mine is not None
    assert waiting(db) == ["batch 2"]
    assert db.write(jobs.claim, job()) is None
    assert db.write(jobs.renew, mine)
    assert db.write(jobs.finish, mine)
    assert not db.write(jobs.finish, mine)
    assert db.write(jobs.claim, job()) is None
    assert db.write(jobs.take, job()) is not None


def test_the_answer_to_a_commit_may_be_lost(db: Database) -> None:
    mine = job()
    assert db.write(jobs.take, mine) == db.write(jobs.take, mine)
    assert row(db) == (mine.owner, 1, None)


def test_the_job_of_a_silent_owner_is_taken_over_and_what_it_does_afterwards_counts_for_nothing(
    db: Database,
) -> None:
    frozen = db.write(jobs.take, job())
    assert frozen is not None
    expire(db)
    heir = db.write(jobs.claim, job())
    assert heir is not None
    assert heir.tries == 2
    for late in (jobs.renew, jobs.finish, jobs.fail):
        assert not db.write(late, frozen, *(["late"] if late is jobs.fail else []))
    assert row(db) == (heir.owner, 2, None)


def test_neither_host_name_nor_process_number_ends_a_lease_only_its_time_does(db: Database) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    owners = (f"{HOST}:{process.pid}:ef", f"{HOST}:{os.getpid()}:ef", f"elsewhere:{process.pid}:ef")
    for number, owner in enumerate(owners):
        assert db.write(jobs.take, Job("import", f"batch {number}", owner))
    assert waiting(db) == []
    assert not any(db.write(jobs.claim, job(f"batch {number}")) for number in range(3))
    expire(db)
    assert all(db.write(jobs.claim, job(f"batch {number}")) for number in range(3))


def test_no_two_jobs_of_a_process_have_one_owner() -> None:
    assert len({new_owner() for _ in range(100)}) == 100


def test_of_many_that_claim_at_once_each_job_has_one(db: Database) -> None:
    subjects = [f"batch {n}" for n in range(20)]
    db.write(jobs.add, "import", *subjects)

    def worker(_: int) -> list[str]:
        return [each for each in subjects if db.write(jobs.claim, job(each))]

    with ThreadPoolExecutor(4) as pool:
        claimed = [subject for done in pool.map(worker, range(4)) for subject in done]
    assert sorted(claimed) == sorted(subjects)


def test_what_fails_rests_longer_each_time_and_an_end_makes_it_forgotten(db: Database) -> None:
    rests = []
    for _ in range(12):
        mine = db.write(jobs.take, job())
        assert mine is not None
        assert mine.error == (None if mine.tries == 1 else "no room")
        rests.append(mine.rest_s())
        assert db.write(jobs.fail, mine, "no room")
        assert waiting(db) == []
        assert db.write(jobs.take, job()) is None
        expire(db)
    assert rests == sorted(rests)
    assert (rests[0], rests[-1]) == (2.0, 600.0)
    last = db.write(jobs.take, job())
    assert last is not None
    assert db.write(jobs.release, last, 300.0)
    assert row(db) == (None, 0, None)
    assert db.write(jobs.claim, job()) is None
    assert db.write(lambda c: jobs.claim(c, job(), early=True)) is not None


async def test_a_lease_is_kept_during_long_work(db: Database) -> None:
    mine = await db.awrite(jobs.take, job(lease_ms=300))
    assert mine is not None
    await jobs.kept(db, mine, asyncio.sleep(1.0))
    assert waiting(db) == []
    await asyncio.sleep(0.5)
    assert waiting(db) == ["batch 1"]


async def test_a_hold_is_trusted_until_its_deadline_and_passed_on(db: Database) -> None:
    one, other = Hold(db, "asking", "link 1", 0.6), Hold(db, "asking", "link 1", 0.6)
    assert await one.hold()
    assert not await other.hold()
    assert one.stands()
    assert not other.stands()
    await asyncio.sleep(0.4)
    assert await one.hold()  # renewed
    await asyncio.sleep(0.3)
    assert one.stands()
    await asyncio.sleep(0.4)
    assert not one.stands()
    assert await other.hold()
    assert not await one.hold()
    await other.leave()
    assert await one.hold()


def test_a_job_that_has_failed_for_weeks_still_rests_and_says_why(db: Database) -> None:
    db.write(jobs.add, "import", "batch 1")
    db.write(lambda c: c.execute(update(table).values(tries=5000)))
    claimed = db.write(jobs.claim, job())
    assert claimed is not None
    assert db.write(jobs.fail, claimed, "ZeroDivisionError")
    assert row(db) == (None, 5001, "ZeroDivisionError")

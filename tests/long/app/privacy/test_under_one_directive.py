"""Campaigns of one directive are erased together, so that each person is counted once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Connection, insert, select, update

from app.core import clock
from app.core.clock import DAY_MS
from app.core.errors import Conflict
from app.database import jobs
from app.database.connection import Database
from app.database.jobs import Job
from app.database.models import (
    campaigns,
    deliveries,
    directives,
    erasures,
    kept_reach,
    receipts,
    runs,
    submissions,
    tallies,
)
from app.ledger.ledger import ledger_for
from app.privacy import certificates, erasable, retention_due
from app.privacy.erasable import RetentionTerms
from app.reports.counting import consolidated, unique_reach
from app.reports.verification.verify import verify
from app.security import kept_rows
from tests.app.world import FIRST_PHONE, World, accepted, add_batch, build, receipt
from tests.long.app.privacy.past import erase, eraser

TERMS = RetentionTerms(90, 1200)
OLD, NEW = range(10), range(1000, 1010)  # persons
LETTER = {"number": "303/CAT-PA05", "issued_on": "2024-01-29", "issuer": "Công an tỉnh", "subject": "Tết"}


@pytest.fixture
def first(db: Database) -> World:
    """Campaign 1 of directive 1 has reached ten persons."""
    world = build(db, 10, chunk=10)

    def directive(c: Connection) -> None:
        c.execute(insert(directives).values(LETTER | {"addressees": [], "created_at": 1, "created_by": "an"}))
        c.execute(update(campaigns).values(directive_id=1))
        kept_rows.adopt(c)

    db.write(directive)
    world.fan_out()
    reached(world)
    return world


def reached(world: World, most: int = 100) -> None:
    """Send to everybody who is queued; so many of each chunk are reached."""
    while lease := world.claim():
        mark = f"c{world.campaign}-"
        world.db.write(world.ledger.record, world.link, lease, accepted(lease.items, mark), None, 30.0)
        world.db.write(world.ledger.release, lease, 0.0)
        said = [receipt(world.link, f"{mark}{i.seq}", phone=i.phone) for i in lease.items[:most]]
        world.db.write(world.ledger.apply, said)


def another(first: World, persons: Sequence[int], number: int, most: int = 100) -> World:
    """Another campaign of the same directive, which is being sent."""

    def make(c: Connection) -> int:
        now = clock.now_ms()
        model = dict(c.execute(select(campaigns).where(campaigns.c.id == 1)).one()._mapping)
        c.execute(insert(campaigns).values(model | {"id": number, "created_at": now}))
        run = dict(c.execute(select(runs).where(runs.c.id == 1)).one()._mapping)
        run |= {"id": number, "campaign_id": number, "state": "running", "started_at": now, "ended_at": None}
        c.execute(insert(runs).values(run))
        return add_batch(c, number, number, [FIRST_PHONE + n for n in persons])

    world = replace(first, campaign=number, run=number, batch=first.db.write(make))
    world.fan_out()
    reached(world, most)
    return world


def ended(world: World, days: int) -> None:
    """The campaign ended so many days ago, and all of it is as old."""
    at = clock.now_ms() - days * DAY_MS

    def work(c: Connection) -> None:
        own = runs.c.campaign_id == world.campaign
        c.execute(update(runs).where(own).values(state="finished", started_at=at, ended_at=at))
        for table, column in ((deliveries, "submitted_at"), (submissions, "at"), (receipts, "received_at")):
            c.execute(update(table).where(table.c.campaign_id == world.campaign).values({column: at}))

    world.db.write(work)


def erased(db: Database) -> list[int]:
    e = erasures.c
    query = select(e.subject_id).where(e.kind == "campaign", e.ended_at.is_not(None)).order_by(e.subject_id)
    return list(db.read(lambda c: c.execute(query).scalars().all()))


def persons(db: Database) -> int:
    return db.read(unique_reach.present, 1).persons


def checked(db: Database) -> list[str]:
    return [each.sentence for each in verify(db, ledger_for(db))]


def test_a_campaign_waits_for_the_others_of_its_directive_and_each_person_counts_once(first: World) -> None:
    db = first.db
    ended(first, 200)
    second = another(first, NEW, 2, most=3)
    erase(db, terms=TERMS)
    assert (erased(db), persons(db)) == ([], 13)
    every = db.read(lambda c: list(retention_due.subjects(c, TERMS)))
    (rule,) = [each.rule for each in every if each.kind == "campaign" and each.rule]
    assert rule == erasable.TOGETHER.en.format(days=180)
    third = another(first, [*OLD, *NEW], 3)
    assert (persons(db), checked(db)) == (20, [])
    ended(second, 150)
    ended(third, 100)
    before = db.read(unique_reach.present, 1)
    erase(db, terms=TERMS)
    assert erased(db) == [1, 2, 3]
    after = db.read(unique_reach.present, 1)
    assert (after.persons, after.by_carrier, after.by_area) == (20, before.by_carrier, before.by_area)
    assert [(each.first, each.repeated, each.kept) for each in after.by_campaign] == [
        (10, 0, True),
        (3, 0, True),
        (7, 13, True),
    ]
    assert checked(db) == []


def test_a_campaign_never_waits_for_longer_than_two_terms_more(first: World) -> None:
    db = first.db
    ended(first, 269)
    another(first, [*OLD, *NEW], 2)
    erase(db, terms=TERMS)
    assert (erased(db), persons(db)) == ([], 20)
    ended(first, 271)
    erase(db, terms=TERMS)
    assert erased(db) == [1]
    with pytest.raises(
        Conflict, match="can no longer be counted, because the numbers of campaign 1 were erased "
    ):
        persons(db)
    report = db.read(consolidated.build, 1, db.read(db.clock_ms))
    assert report.reach is None
    assert checked(db) == []


def test_a_directive_with_a_campaign_each_month_keeps_nobody_for_longer(first: World) -> None:
    db, worlds = first.db, [first]
    worlds += [another(first, range(n * 10, n * 10 + 12), n) for n in range(2, 13)]
    for months, world in enumerate(reversed(worlds)):
        ended(world, months * 30 + 1)
    erase(db, terms=TERMS)
    assert erased(db) == list(
        range(1, 10)
    )  # campaign 3 is past the longest wait, and takes along whoever is due
    assert checked(db) == []


def test_a_draft_and_a_campaign_of_another_directive_or_of_none_keep_nobody_waiting(first: World) -> None:
    db = first.db
    ended(first, 100)
    apart = another(first, NEW, 2)
    lone = another(first, NEW[1:], 3)

    def work(c: Connection) -> None:
        more = {"number": "2", "addressees": [], "created_at": 1, "created_by": "an"}
        c.execute(insert(directives).values(LETTER | more))
        c.execute(update(campaigns).where(campaigns.c.id == apart.campaign).values(directive_id=2))
        c.execute(update(campaigns).where(campaigns.c.id == lone.campaign).values(directive_id=None))
        model = dict(c.execute(select(campaigns).where(campaigns.c.id == 1)).one()._mapping)
        c.execute(insert(campaigns).values(model | {"id": 4, "state": "draft"}))

    db.write(work)
    erase(db, terms=TERMS)
    assert (erased(db), persons(db)) == ([1], 10)
    ended(lone, 91)
    erase(db, terms=TERMS)
    assert erased(db) == [1, 3]


def test_after_an_erasure_a_new_campaign_of_the_directive_leaves_no_figure_to_claim(first: World) -> None:
    db = first.db
    ended(first, 100)
    erase(db, terms=TERMS)
    nobody = another(first, NEW, 2, most=0)
    assert persons(db) == 10
    ended(nobody, 1)
    another(first, OLD[1:], 3)
    with pytest.raises(Conflict):
        persons(db)
    assert checked(db) == []


def test_a_campaign_whose_report_does_not_balance_keeps_the_others_of_its_directive(first: World) -> None:
    db = first.db
    ended(first, 100)
    second = another(first, NEW, 2)
    ended(second, 95)
    wrong = update(tallies).where(tallies.c.campaign_id == 2, tallies.c.n > 0).values(n=tallies.c.n + 1)
    db.write(lambda c: c.execute(wrong))
    erase(db, terms=TERMS)
    assert erased(db) == []
    ended(first, 271)
    erase(db, terms=TERMS)
    assert erased(db) == [1]


def test_what_an_earlier_version_kept_of_a_campaign_that_went_on_counts_for_nothing(first: World) -> None:
    db = first.db
    second = another(first, NEW, 2)
    row = {"campaign_id": 2, "carrier": "viettel", "area": "", "first": 3, "repeated": 0}
    db.write(lambda c: c.execute(insert(kept_reach).values(row)))
    assert (persons(db), checked(db)) == (20, [])
    ended(first, 100)
    ended(second, 100)
    erase(db, terms=TERMS)
    assert (erased(db), persons(db), checked(db)) == ([1, 2], 20, [])


def test_from_the_beginning_of_its_directives_erasure_no_receipt_changes_a_campaign(first: World) -> None:
    """One that is erased last is closed as early as the first one, so the kept figures stay true."""
    db = first.db
    second = another(first, NEW, 2, most=3)
    ended(first, 100)
    ended(second, 100)

    async def first_alone() -> None:
        job = await db.awrite(jobs.take, Job(certificates.JOB, "", "an eraser:1:x:y"))
        assert job
        await eraser(db, terms=TERMS).one(job, asyncio.Event())
        await db.awrite(jobs.release, job)

    asyncio.run(first_alone())
    assert erased(db) == [1]
    late = db.write(second.ledger.apply, [receipt(second.link, "c2-9", phone=FIRST_PHONE + 1007)])
    assert (late.changed, persons(db)) == (0, 13)
    erase(db, terms=TERMS)
    assert (erased(db), persons(db), checked(db)) == ([1, 2], 13, [])

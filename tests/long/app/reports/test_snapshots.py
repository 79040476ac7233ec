"""Snapshots are taken when they are due, late ones say so, and the rows recount them while they live."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from app.core import clock
from app.core.clock import DAY_MS
from app.core.errors import Conflict, Invalid
from app.core.states import DeliveryState
from app.database import jobs
from app.database import models as m
from app.database.connection import Database
from app.observability.faults import Faults, present
from app.observability.metrics import Metrics
from app.reports.counting import carrier_report, snapshot_taking, snapshots
from app.reports.counting.carrier_report import build
from app.reports.counting.snapshot_taking import SNAPSHOT, SnapshotPlan, due, take, take_due
from app.reports.counting.snapshots import SnapshotCause
from app.reports.forms import letterhead
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.release import verify_archive
from app.reports.release.freeze import Freezer
from app.reports.verification.verify import verify
from app.runtime.job_loop import JobKind, JobLoop
from tests.app import world
from tests.app.world import World
from tests.engines import each_engine

database_url = each_engine
RUN = ReportSubject(SubjectKind.RUN, 1)
LETTER = ReportSubject(SubjectKind.DIRECTIVE, 1)


def moved_back(db: Database, days: float, **values: Any) -> int:
    """Let the run have been started so many days ago; return the last midnight."""
    at = clock.now_ms() - round(days * DAY_MS)
    db.write(lambda c: c.execute(update(m.runs).values(started_at=at, **values)))
    return db.read(due)[0]


@pytest.fixture
def sent(db: Database) -> World:
    """Ten messages that the carrier took."""
    w = world.build(db, 10, chunk=10)
    w.fan_out()
    lease = w.claim()
    assert lease is not None
    db.write(w.ledger.record, w.link, lease, world.accepted(list(lease.items)), None, 30.0)
    db.write(w.ledger.release, lease, 0.0)
    db.write(lambda c: c.execute(update(m.runs).values(state="sent")))
    return w


def receive(w: World, *seqs: int) -> None:
    w.db.write(w.ledger.apply, [world.receipt(w.link, f"m{seq}") for seq in seqs])


async def swept(db: Database) -> None:
    """Let a worker plan what is due, and take it."""
    plan = SnapshotPlan(db)
    kinds = {SNAPSHOT: JobKind(lambda job: asyncio.to_thread(take_due, db, job))}
    await plan.plan()
    loop = JobLoop(db, Faults(db, Metrics()), kinds)
    running = asyncio.create_task(loop.run())
    async with asyncio.timeout(30):
        while db.read(jobs.due, [SNAPSHOT]):  # noqa: ASYNC110 - of the loop's tasks
            await asyncio.sleep(0.02)
    loop.stop()
    await running


def test_what_is_live_at_midnight_is_due_once_and_what_is_over_when_it_has_changed(sent: World) -> None:
    db = sent.db
    midnight = moved_back(db, 2)
    assert db.read(due)[1] == [(RUN, SnapshotCause.MIDNIGHT, midnight)]
    assert db.read(due, midnight)[1] == []
    take(db, [RUN], SnapshotCause.MIDNIGHT, midnight)
    assert db.read(due)[1] == []
    over = {"state": "finished", "ended_at": midnight - DAY_MS}
    db.write(lambda c: c.execute(update(m.runs).values(over)))
    db.write(lambda c: c.execute(update(m.snapshots).values(due_at=midnight - DAY_MS)))
    db.write(lambda c: c.execute(update(m.snapshots).values(mark=snapshots.mark(c, 1))))
    assert db.read(due)[1] == []  # nothing has changed since the night before
    receive(sent, 2)
    assert db.read(due)[1] == [(RUN, SnapshotCause.MIDNIGHT, midnight)]


def test_a_run_that_began_after_midnight_or_ended_long_ago_is_not_due(sent: World) -> None:
    midnight = moved_back(sent.db, 0)
    assert sent.db.read(due) == (midnight, [])
    moved_back(sent.db, 30, state="finished", ended_at=midnight - 20 * DAY_MS)
    assert sent.db.read(due)[1] == []
    moved_back(sent.db, 30, state="finished", ended_at=midnight - 2 * DAY_MS)
    assert sent.db.read(due)[1] == [(RUN, SnapshotCause.MIDNIGHT, midnight)]


def test_a_deadline_has_a_snapshot_of_its_directive_and_of_every_run(sent: World) -> None:
    db, at = sent.db, clock.now_ms() - 1000
    row = {"id": 1, "number": "303", "issued_on": "2024-01-29", "issuer": "CAT", "subject": "x"}
    row |= {"addressees": [], "created_at": at - 1, "created_by": "an", "report_deadline": at}
    db.write(lambda c: c.execute(insert(m.directives).values(row)))
    db.write(lambda c: c.execute(update(m.campaigns).values(directive_id=1)))
    found = db.read(due)[1]
    assert found == [(LETTER, SnapshotCause.DEADLINE, at)]
    taken = take(db, [LETTER], SnapshotCause.DEADLINE, at)
    assert db.read(due)[1] == []
    assert db.read(snapshots.moment, LETTER, at) == taken  # in time, so it answers for the deadline
    assert db.read(snapshots.moment, RUN, at) == taken
    receive(sent, 2)
    freezer = Freezer(db, sent.ledger, letterhead.load(None), "an")
    report, new = freezer.freeze(LETTER, at)
    assert (new, clock.to_ms(report.cut_off_at)) == (True, taken)
    assert verify_archive.prove(db, report) == verify_archive.Proof(report.id, ())
    # What is frozen later, of the same moment, was not known to it.
    assert freezer.freeze(RUN, at)[1]
    assert verify_archive.prove(db, report) == verify_archive.Proof(report.id, ())


def test_a_deadline_is_due_once_it_has_passed_for_a_week_and_if_it_was_to_come_when_it_was_set(
    sent: World,
) -> None:
    now, minute, week = clock.now_ms(), 60_000, 7 * DAY_MS
    times = {  # deadline, and when the directive was entered
        1: (now + minute, now - DAY_MS),
        2: (now - minute, now - DAY_MS),
        3: (now - week + minute, now - 9 * DAY_MS),
        4: (now - week - minute, now - 9 * DAY_MS),
        5: (now - minute, now),
        6: (None, now - DAY_MS),
    }
    row = {"issued_on": "2024-01-29", "issuer": "CAT", "subject": "x", "addressees": [], "created_by": "an"}
    rows = [
        row | {"id": n, "number": str(n), "report_deadline": due_at, "created_at": entered}
        for n, (due_at, entered) in times.items()
    ]
    sent.db.write(lambda c: c.execute(insert(m.directives), rows))
    found = [each for each in sent.db.read(due)[1] if each.cause is SnapshotCause.DEADLINE]
    assert [(each.subject.id, each.due_ms) for each in found] == [(n, times[n][0]) for n in (2, 3)]


async def test_a_worker_that_was_down_at_midnight_takes_it_late_and_the_snapshot_says_so(sent: World) -> None:
    db = sent.db
    midnight = moved_back(db, 2)
    await swept(db)
    (row,) = db.read(snapshots.moments, RUN)
    assert (row.due_at, row.cause) == (midnight, "midnight")
    late = row.cutoff_at - midnight > snapshots.LATE_MS
    if not late:  # somebody tests just after midnight
        assert db.read(snapshots.moment, RUN, midnight) == row.cutoff_at
        return
    taken = snapshots.said(row.cutoff_at)
    with pytest.raises(Invalid, match=f"was taken at {taken} because no worker was running"):
        db.read(snapshots.moment, RUN, midnight)
    assert db.read(snapshots.moment, RUN, row.cutoff_at // 1000 * 1000) == row.cutoff_at
    assert db.read(build, 1, row.cutoff_at).header.cutoff_ms == row.cutoff_at


async def test_a_subject_that_fails_keeps_no_other_waiting(
    sent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, asked, really = sent.db, [], take
    midnight = moved_back(db, 2)

    def failing(db: Database, of: list[ReportSubject], *how: Any) -> int:
        asked.append(of)
        if of == [ReportSubject(SubjectKind.RUN, 99)]:
            raise Conflict("no")
        return really(db, of, *how)

    monkeypatch.setattr(snapshot_taking, "take", failing)
    db.write(jobs.add, SNAPSHOT, f"run 99 midnight {clock.moment(midnight).isoformat()}")
    await swept(db)
    await swept(db)  # again after a while only
    assert sorted(asked, key=str) == sorted([[RUN], [ReportSubject(SubjectKind.RUN, 99)]], key=str)
    assert db.read(due)[1] == []
    assert [row.subject.split()[:2] for row in db.read(present)] == [["run", "99"]]


async def test_a_midnight_that_was_missed_is_not_tried_for_ever(sent: World) -> None:
    midnight = moved_back(sent.db, 2)
    job = f"run 99 midnight {clock.moment(midnight - DAY_MS).isoformat()}"  # of what is no more
    sent.db.write(jobs.add, SNAPSHOT, job)
    await swept(sent.db)
    assert sent.db.read(lambda c: c.execute(select(m.jobs)).all()) == []
    assert sent.db.read(present) == []


async def test_a_snapshot_is_planned_and_taken_once_by_several_workers(sent: World) -> None:
    moved_back(sent.db, 2)
    await asyncio.gather(*(swept(sent.db) for _ in range(3)))
    assert len(sent.db.read(snapshots.moments, RUN)) == 1


def test_another_moment_is_refused_in_words_that_name_the_nearest(sent: World) -> None:
    db = sent.db
    with pytest.raises(Invalid, match="no snapshot of this report yet"):
        db.read(snapshots.moment, RUN, clock.now_ms())
    at = take(db, [RUN], SnapshotCause.MIDNIGHT)
    for earlier in (90_000, 60_000, 20_000):
        moved = update(m.snapshots).where(m.snapshots.c.cutoff_at >= at).values(cutoff_at=at - earlier)
        db.write(lambda c, moved=moved: c.execute(moved))
        take(db, [RUN], SnapshotCause.MIDNIGHT)
    both = ", ".join(map(snapshots.said, (at - 60_000, at - 20_000)))  # of four
    with pytest.raises(Invalid, match=f"The nearest: {both}. Use the time of a snapshot"):
        db.read(snapshots.moment, RUN, at - 30_000)
    with pytest.raises(Invalid, match="The cut-off is in the future"):
        db.read(snapshots.moment, RUN, clock.now_ms() + 60_000)


def test_a_snapshot_stays_and_the_recount_finds_what_was_altered_under_it(sent: World) -> None:
    db = sent.db
    receive(sent, 2, 5, 8)  # of one area
    at = take(db, [RUN], SnapshotCause.MIDNIGHT)
    before = db.read(build, 1, at)
    receive(sent, 3, 6)
    assert (before.general.delivered, db.read(build, 1, at)) == (3, before)
    assert verify(db, sent.ledger) == []
    row = m.deliveries.c.seq == 11
    db.write(lambda c: c.execute(update(m.deliveries).where(row).values(state=int(DeliveryState.DELIVERED))))
    db.write(lambda c: c.execute(delete(m.deliveries).where(m.deliveries.c.seq == 4)))
    told = " ".join(each.sentence for each in verify(db, sent.ledger))
    assert "đã nhận (biên nhận máy) was 3 and is now 4" in told
    assert "thuộc diện was 3 and is now 2" in told
    db.write(lambda c: c.execute(update(m.snapshots).values(figures="{}")))
    assert any("differs from what was stored" in each.sentence for each in verify(db, sent.ledger))


def test_a_report_frozen_before_there_were_snapshots_is_proved_as_far_as_rows_stand(
    sent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = sent.db
    monkeypatch.setattr(carrier_report, "_NOW_MS", 0)  # frozen long ago
    receive(sent, 2)
    report, _ = Freezer(db, sent.ledger, letterhead.load(None), "an").freeze(RUN)
    db.write(lambda c: c.execute(delete(m.snapshots)))
    assert verify_archive.prove(db, report) == verify_archive.Proof(report.id, ())  # nothing has moved
    receive(sent, 5)
    proof = verify_archive.prove(db, report)
    assert (proof.sound, "there is no snapshot" in (proof.note or "")) == (True, True)
    row = m.deliveries.c.seq.in_([8, 11])
    db.write(lambda c: c.execute(update(m.deliveries).where(row).values(state=int(DeliveryState.DELIVERED))))
    proof = verify_archive.prove(db, report)
    assert any("đã nhận (biên nhận máy) was 1 and is now 3" in each for each in proof.sentences)

"""Runs move on by themselves: fanned out, sent, finished, cancelled, or closed at their window's end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from sqlalchemy import Connection, insert, select, update

from app.core import clock
from app.core.states import DeliveryState, LinkState, NotSent, RunState
from app.database.connection import Database
from app.database.models import campaigns, deliveries, run_batches, runs, tallies
from app.dispatch import run_content
from app.dispatch import run_sweeps as sweeps
from app.dispatch.fan_out_job import FanOutJob
from app.dispatch.run_sweeps import close_due
from app.ledger.contract import Reservation, SubmitOutcome
from app.reports.counting import carrier_report
from carriers.contract import Deferred, Reason, Rejected
from tests.app.world import FIRST_PHONE, World, accepted, add_batch, aside, build, receipt

PATIENCE_MS = 5 * clock.DAY_MS
Q, S, N = int(DeliveryState.QUEUED), int(DeliveryState.SUBMITTED), int(DeliveryState.NOT_SENT)
D = int(DeliveryState.DELIVERED)


def state(db: Database) -> str:
    return str(db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()))


def set_run(db: Database, **values: object) -> None:
    db.write(lambda c: c.execute(update(runs).values(**values)))


def sweep(world: World) -> None:
    """All that the worker's sweep would do until it is idle."""
    while asyncio.run(FanOutJob(world.db, world.ledger, aside(world.db)).next()):
        pass
    while asyncio.run(close_due(world.db, world.ledger, aside(world.db))):
        pass
    world.db.write(sweeps.advance, world.ledger, PATIENCE_MS)


def send_all(world: World) -> None:
    while lease := world.claim():
        world.db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
        world.db.write(world.ledger.release, lease, 0.0)


def test_the_urgent_run_is_queued_before_others_however_far_it_is(db: Database) -> None:
    world = build(db, 25)
    own = dict(db.read(lambda c: c.execute(select(campaigns)).one())._mapping)
    run = dict(db.read(lambda c: c.execute(select(runs)).one())._mapping)

    def another(c: Connection) -> None:
        c.execute(insert(campaigns).values(own | {"id": 7}))
        c.execute(insert(runs).values(run | {"id": 7, "campaign_id": 7, "priority": 0}))
        add_batch(c, 7, 7, [FIRST_PHONE + 100])
        c.execute(update(runs).where(runs.c.id == world.run).values(priority=1))
        c.execute(update(run_batches).where(run_batches.c.run_id == world.run).values(fanned_upto=10))

    db.write(another)
    due = db.read(sweeps.next_due)
    assert due
    assert (due.run_id, due.after) == (world.run, 10)
    set_run(db, priority=0)  # alike, so that the one that is behind comes first
    due = db.read(sweeps.next_due)
    assert due
    assert (due.run_id, due.after) == (7, 0)


@pytest.mark.longer
def test_a_started_run_is_fanned_out_and_a_planned_one_is_not(db: Database) -> None:
    world = build(db, 25)
    set_run(db, state=RunState.PLANNED.value)
    sweep(world)
    assert world.states() == {}
    set_run(db, state=RunState.RUNNING.value)
    sweep(world)
    assert world.states() == {Q: 25}
    assert db.read(lambda c: c.execute(select(run_batches.c.fanned_all)).scalar_one())


@pytest.mark.longer
def test_a_run_is_sent_when_nothing_is_left_and_finished_when_nothing_is_open(db: Database) -> None:
    world = build(db, 5)
    sweep(world)
    assert state(db) == RunState.RUNNING
    send_all(world)
    sweep(world)
    assert state(db) == RunState.SENT
    db.write(world.ledger.apply, [receipt(world.link, f"m{seq}") for seq in range(2, 7)])
    sweep(world)
    assert state(db) == RunState.FINISHED


@pytest.mark.longer
def test_a_run_whose_every_number_is_refused_is_finished(db: Database) -> None:
    world = build(db, 3)
    sweep(world)
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(item, Rejected("0x0B", Reason.NO_SUCH_NUMBER)) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    sweep(world)
    assert state(db) == RunState.FINISHED


@pytest.mark.longer
def test_a_cancelled_run_waits_for_its_link_and_counts_everybody(db: Database) -> None:
    world = build(db, 250)
    sweep(world)
    lease = world.claim()
    assert lease
    set_run(db, state=RunState.CANCELLING.value, closing=int(NotSent.CANCELLED))
    sweep(world)
    assert state(db) == RunState.CANCELLING
    db.write(world.ledger.record, world.link, lease, accepted(lease.items[:7]), None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    sweep(world)
    assert state(db) == RunState.CANCELLED
    assert world.states() == {S: 7, N: 243} == world.tallied()
    world.check()


@pytest.mark.longer
def test_a_run_cancelled_before_its_start_counts_everybody_as_not_sent(db: Database) -> None:
    world = build(db, 30)
    set_run(db, state=RunState.CANCELLING.value, closing=int(NotSent.CANCELLED))
    sweep(world)
    assert state(db) == RunState.CANCELLED
    assert world.states() == {N: 30} == world.tallied()


@pytest.mark.longer
def test_at_its_windows_end_a_run_is_closed_with_its_reason(db: Database) -> None:
    world = build(db, 30)
    sweep(world)
    db.write(lambda c: c.execute(update(campaigns).values(window_end=clock.now_ms() - 1)))
    sweep(world)
    assert state(db) == RunState.FINISHED
    assert world.states() == {N: 30}
    assert world.delivery(2)["reason"] == NotSent.WINDOW_CLOSED
    world.check()


@pytest.mark.longer
@pytest.mark.parametrize(
    ("order", "end"),
    [
        ({}, {S: 3, Q: 2}),
        ({"state": RunState.CANCELLING.value, "closing": int(NotSent.CANCELLED)}, {S: 3, N: 2}),
    ],
    ids=["sent", "cancelled"],
)
def test_what_a_holder_thought_dead_has_not_sent_is_not_forgotten(
    db: Database, order: dict[str, object], end: dict[int, int]
) -> None:
    """Frozen past its lease, it says so when the run has ended without it."""
    world = build(db, 5)
    sweep(world)
    lease = world.claim(lease_s=0.0)
    assert lease
    db.write(world.ledger.record, world.link, lease, [], Reservation(lease.last_seq, 5), 0.0)
    time.sleep(0.02)
    other = world.claim("link-2")
    assert other
    db.write(world.ledger.release, other, 0.0)
    if order:
        set_run(db, **order)
    sweep(world)
    assert state(db) == (RunState.CANCELLED if order else RunState.SENT)
    late = [SubmitOutcome(item, Deferred("not sent")) for item in lease.items[3:]]
    outcomes = accepted(list(lease.items[:3])) + late
    assert not db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0).held
    sweep(world)
    assert state(db) == (RunState.CANCELLED if order else RunState.RUNNING)
    assert world.states() == end == world.tallied()
    if not order:
        send_all(world)
        assert world.states() == {S: 5}
    world.check()


@pytest.mark.longer
def test_a_run_whose_receipts_never_come_is_finished_and_a_later_one_still_counts(db: Database) -> None:
    world = build(db, 5)
    sweep(world)
    send_all(world)
    db.write(world.ledger.apply, [receipt(world.link, f"m{seq}") for seq in range(2, 5)])
    sweep(world)
    long_ago = clock.now_ms() - PATIENCE_MS
    set_run(db, ended_at=long_ago + 3_600_000)
    sweep(world)
    assert state(db) == RunState.SENT
    set_run(db, ended_at=long_ago - 1)
    sweep(world)
    assert state(db) == RunState.FINISHED
    report = db.read(carrier_report.build, world.run, clock.now_ms())
    assert (report.header.run_state, report.general.no_receipt) == (RunState.FINISHED, 2)
    db.write(world.ledger.apply, [receipt(world.link, "m5")])
    sweep(world)
    assert world.states() == {D: 4, S: 1} == world.tallied()
    world.check()


@pytest.mark.longer
def test_a_message_that_is_still_queued_keeps_its_run_from_being_finished(db: Database) -> None:
    world = build(db, 5)
    sweep(world)
    send_all(world)
    sweep(world)
    one = deliveries.c.seq == 2
    db.write(lambda c: c.execute(update(deliveries).where(one).values(state=Q)))
    counted = {"campaign_id": world.campaign, "run_id": world.run, "batch_id": world.batch}
    moved = [
        {**counted, "state": state, "reason": 0, "n": n, "segments": n} for state, n in ((S, -1), (Q, 1))
    ]
    db.write(lambda c: c.execute(insert(tallies), moved))
    set_run(db, ended_at=clock.now_ms() - 2 * PATIENCE_MS)
    sweep(world)
    assert state(db) == RunState.SENT


@pytest.mark.longer
def test_receipts_finish_a_run_before_and_after_its_tallies_were_folded(db: Database) -> None:
    world = build(db, 6)
    sweep(world)
    send_all(world)
    sweep(world)
    for seq in range(2, 8):
        assert state(db) == RunState.SENT
        db.write(world.ledger.apply, [receipt(world.link, f"m{seq}")])
        if seq % 2 or seq == 6:
            db.write(world.ledger.fold_tallies)
        sweep(world)
    assert state(db) == RunState.FINISHED


@pytest.mark.longer
def test_runs_and_tallies_at_rest_write_nothing(db: Database) -> None:
    """Runs that wait for receipts, and sums of all that ever was: nobody writes while nothing comes."""
    world = build(db, 30)
    sweep(world)
    send_all(world)
    db.write(world.ledger.apply, [receipt(world.link, f"m{seq}") for seq in range(2, 12)])
    sweep(world)
    assert db.read(world.ledger.to_fold)
    db.write(world.ledger.fold_tallies)
    assert not db.read(world.ledger.to_fold)
    assert db.read(sweeps.due_steps, world.ledger, PATIENCE_MS) == []
    rows = _stored(db)
    db.write(world.ledger.apply, [receipt(world.link, "m12")])
    db.write(world.ledger.fold_tallies)
    again = _stored(db)
    assert len(rows - again) == 2, "only the two sums that the receipt changed are written anew"
    world.check()


def _stored(db: Database) -> set[tuple[object, ...]]:
    """The rows of the tallies, each with the place and version that the engine gave it."""
    stamp = "rowid" if db.sqlite else "ctid::text, xmin::text"
    every = f"SELECT {stamp}, state, reason, area, n FROM tallies"
    return {tuple(row) for row in db.read(lambda c: c.exec_driver_sql(every).all())}


@pytest.mark.parametrize("at", ["left", "sent"])
def test_windows_go_by_the_databases_clock(db: Database, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker whose host is a day ahead ends nobody's campaign, and sends nothing in a closed hour."""
    if db.sqlite:
        pytest.skip("SQLite has one process and its one clock")
    world = build(db, 30)
    sweep(world)
    now = clock.now_ms()
    hour = 3_600_000
    world.rewrite(window_start=now - hour, window_end=now + hour)
    if at == "sent":
        world.rewrite(window_start=now + 23 * hour, window_end=now + 48 * hour)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 86_400 * 10**9)
    sweep(world)
    assert state(db) == RunState.RUNNING
    work = db.write(run_content.claim, world.ledger, world.link, "link-1", 30.0)
    assert (work is LinkState.RUNNING) == (at == "sent")


@pytest.mark.longer
def test_a_chunk_in_slow_hands_keeps_no_other_run_waiting(db: Database) -> None:
    world = build(db, 250)
    sweep(world)
    lease = world.claim()
    other = replace(world, **_second_run(world))
    sweep(other)
    set_run(db, state=RunState.CANCELLING.value, closing=int(NotSent.CANCELLED))
    sweep(world)
    states = db.read(lambda c: dict(c.execute(select(runs.c.id, runs.c.state)).all()))
    assert lease
    assert states == {world.run: RunState.CANCELLING, other.run: RunState.CANCELLED}


def _second_run(world: World) -> dict[str, int]:
    """Another carrier's run of the same campaign, with a batch of its own."""

    def work(c: Connection) -> dict[str, int]:
        run = {"campaign_id": world.campaign, "carrier": "vnpt", "state": "running", "created_at": 1}
        run_id = c.execute(insert(runs).values(run)).inserted_primary_key[0]
        phones = [FIRST_PHONE + 1_000_000 + n for n in range(50)]
        return {"run": run_id, "batch": add_batch(c, world.campaign, run_id, phones)}

    return world.db.write(work)

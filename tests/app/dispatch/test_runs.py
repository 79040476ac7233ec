"""Runs move on by themselves: fanned out, sent, finished, cancelled, or closed at their window's end."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import select, update

from app import clock
from app.db import Database
from app.dispatch import runs as sweeps
from app.dispatch.queueing import queue_next
from app.ledger.contract import Intention, Outcome
from app.models import campaigns, run_batches, runs
from app.states import DeliveryState, NotSent, RunState
from carriers.contract import Deferred, Reason, Rejected
from tests.app.world import World, accepted, build, receipt

Q, S, N = int(DeliveryState.QUEUED), int(DeliveryState.SUBMITTED), int(DeliveryState.NOT_SENT)


def state(db: Database) -> str:
    return str(db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()))


def set_run(db: Database, **values: object) -> None:
    db.write(lambda c: c.execute(update(runs).values(**values)))


def sweep(world: World) -> None:
    """All that the worker's sweep would do until it is idle."""
    while asyncio.run(queue_next(world.db, world.ledger)):
        pass
    while world.db.write(sweeps.close_over, world.ledger):
        pass
    world.db.write(sweeps.advance)


def send_all(world: World) -> None:
    while lease := world.claim():
        world.db.write(world.ledger.record, world.lane, lease, accepted(lease.items), None, 30.0)
        world.db.write(world.ledger.release, lease, 0.0)


def test_a_started_run_is_fanned_out_and_a_planned_one_is_not(db: Database) -> None:
    world = build(db, 25)
    set_run(db, state=RunState.PLANNED.value)
    sweep(world)
    assert world.states() == {}
    set_run(db, state=RunState.RUNNING.value)
    sweep(world)
    assert world.states() == {Q: 25}
    assert db.read(lambda c: c.execute(select(run_batches.c.fanned_all)).scalar_one())


def test_a_run_is_sent_when_nothing_is_left_and_finished_when_nothing_is_open(db: Database) -> None:
    world = build(db, 5)
    sweep(world)
    assert state(db) == RunState.RUNNING
    send_all(world)
    sweep(world)
    assert state(db) == RunState.SENT
    db.write(world.ledger.apply, [receipt(world.lane, f"m{seq}") for seq in range(2, 7)])
    sweep(world)
    assert state(db) == RunState.FINISHED


def test_a_run_whose_every_number_is_refused_is_finished(db: Database) -> None:
    world = build(db, 3)
    sweep(world)
    lease = world.claim()
    assert lease
    outcomes = [Outcome(item, Rejected("0x0B", Reason.NO_SUCH_NUMBER)) for item in lease.items]
    db.write(world.ledger.record, world.lane, lease, outcomes, None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    sweep(world)
    assert state(db) == RunState.FINISHED


def test_a_cancelled_run_waits_for_its_lane_and_counts_everybody(db: Database) -> None:
    world = build(db, 250)
    sweep(world)
    lease = world.claim()
    assert lease
    set_run(db, state=RunState.CANCELLING.value, closing=int(NotSent.CANCELLED))
    sweep(world)
    assert state(db) == RunState.CANCELLING
    db.write(world.ledger.record, world.lane, lease, accepted(lease.items[:7]), None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    sweep(world)
    assert state(db) == RunState.CANCELLED
    assert world.states() == {S: 7, N: 243} == world.tallied()
    world.check()


def test_a_run_cancelled_before_its_start_counts_everybody_as_not_sent(db: Database) -> None:
    world = build(db, 30)
    set_run(db, state=RunState.CANCELLING.value, closing=int(NotSent.CANCELLED))
    sweep(world)
    assert state(db) == RunState.CANCELLED
    assert world.states() == {N: 30} == world.tallied()


def test_at_its_windows_end_a_run_is_closed_with_its_reason(db: Database) -> None:
    world = build(db, 30)
    sweep(world)
    db.write(lambda c: c.execute(update(campaigns).values(window_end=clock.now_ms() - 1)))
    sweep(world)
    assert state(db) == RunState.FINISHED
    assert world.states() == {N: 30}
    assert world.delivery(2)["reason"] == NotSent.WINDOW_CLOSED
    world.check()


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
    db.write(world.ledger.record, world.lane, lease, [], Intention(lease.last_seq, 5), 0.0)
    time.sleep(0.02)
    other = world.claim("lane-2")
    assert other
    db.write(world.ledger.release, other, 0.0)
    if order:
        set_run(db, **order)
    sweep(world)
    assert state(db) == (RunState.CANCELLED if order else RunState.SENT)
    late = [Outcome(item, Deferred("not sent")) for item in lease.items[3:]]
    outcomes = accepted(list(lease.items[:3])) + late
    assert not db.write(world.ledger.record, world.lane, lease, outcomes, None, 30.0).held
    sweep(world)
    assert state(db) == (RunState.CANCELLED if order else RunState.RUNNING)
    assert world.states() == end == world.tallied()
    if not order:
        send_all(world)
        assert world.states() == {S: 5}
    world.check()

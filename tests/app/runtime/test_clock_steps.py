"""A clock that is set back by an hour while Loa runs: what waits goes on when it would have."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import func, insert, select, update

from app.core import clock
from app.core.config import Settings
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import chunks, link_health, link_pace, quarantine
from app.dispatch import unknown_decisions
from app.ledger.contract import Reservation, SubmitOutcome
from app.observability.metrics import Metrics
from app.runtime.clock_steps import ClockSteps
from app.runtime.worker import Worker
from carriers.contract import Deferred
from tests.app.ledger.times import apply, look_again, notice, passes, said
from tests.app.world import World, build
from tests.engines import sqlite_alone

database_url = sqlite_alone
HOUR_MS = 3_600_000


class Hands:
    """A host's clock that was an hour ahead of what it says after `set_back`, and one that never jumps."""

    def __init__(self) -> None:
        self.ahead_ms, self.running = HOUR_MS, 1000.0

    def wall(self) -> int:
        return clock.now_ms() + self.ahead_ms

    def of(self, db: Database) -> ClockSteps:
        return ClockSteps(db, self.wall, clock.monotonic)

    def set_back(self) -> None:
        self.ahead_ms = 0


def later(db: Database) -> None:
    """What stands in the ledger was written by the clock that was an hour ahead."""
    moved = {name: chunks.c[name] + HOUR_MS for name in ("not_before", "lease_until", "taken_at")}
    db.write(lambda c: c.execute(update(chunks).values(moved)))
    db.write(lambda c: c.execute(update(quarantine).values(try_at=quarantine.c.try_at + HOUR_MS)))


def put_off(db: Database) -> World:
    world = build(db, 2)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(item, Deferred("0x58", 0.5, throttled=True)) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    db.write(world.ledger.release, lease, 0.5)
    return world


@pytest.mark.longer
async def test_what_was_put_off_waits_no_hour(db: Database) -> None:
    hands = Hands()
    sweep = hands.of(db)
    world = put_off(db)
    assert apply(world, said(world, "K2")) == (0, 0, 1)
    later(db)
    await sweep.step()
    waits = select(func.max(chunks.c.not_before))
    assert db.read(lambda c: c.scalar(waits)) > clock.now_ms() + HOUR_MS // 2  # nothing has happened yet
    hands.set_back()
    for _ in range(2):  # one step is one step
        await sweep.step()
    ends = clock.now_ms() + 5000
    assert ends - 60_000 < db.read(lambda c: c.scalar(waits)) < ends
    assert ends - 60_000 < db.read(lambda c: c.scalar(select(quarantine.c.try_at))) < ends
    db.write(lambda c: c.execute(update(chunks).values(not_before=chunks.c.not_before - 5000)))
    assert world.claim() is not None


@pytest.mark.longer
async def test_a_lease_of_a_holder_that_is_gone_ends_and_a_new_one_stands(db: Database) -> None:
    hands = Hands()
    sweep = hands.of(db)
    world = build(db, 4, chunk=2)
    world.fan_out()
    gone = world.claim("gone")
    assert gone
    db.write(world.ledger.record, world.link, gone, [], Reservation(gone.items[-1].seq, 2, 0.01), 30.0)
    later(db)
    hands.set_back()
    live = world.claim("live")  # after the step, before anybody has noticed it
    assert live
    await sweep.step()
    leases = db.read(lambda c: dict(c.execute(select(chunks.c.owner, chunks.c.lease_until)).all()))
    now = clock.now_ms()
    assert all(now < until < now + 31_000 for until in leases.values()), leases
    assert set(leases) == {"gone", "live"}
    assert world.states()[DeliveryState.QUEUED] == 4


@pytest.mark.longer
async def test_what_was_unknown_when_the_clock_was_set_back_is_settled_and_can_be_written_off(
    db: Database,
) -> None:
    """Receipts would seem to be older than the sending, and an order about all to be given before."""
    hands = Hands()
    sweep = hands.of(db)
    world = build(db, 2)
    world.fan_out()
    dead = world.claim(lease_s=0.0)
    assert dead
    db.write(world.ledger.record, world.link, dead, [], Reservation(3, 2, 0.01), -1.0)
    notice(world)
    passes(db, -1 / 24)
    await sweep.step()
    hands.set_back()
    await sweep.step()
    assert apply(world, said(world, "K1")) == (0, 0, 1)
    look_again(world)
    assert world.states() == {int(DeliveryState.UNKNOWN): 1, int(DeliveryState.DELIVERED): 1}
    assert (
        unknown_decisions.write_off(db, world.ledger, unknown_decisions.UnknownOrder(world.run, "tester"))
        == 1
    )
    world.check()


@pytest.mark.longer
async def test_a_clock_that_was_set_back_while_nobody_was_at_work_is_noticed_at_the_start(
    db: Database,
) -> None:
    hands = Hands()
    world = put_off(db)
    later(db)
    said_last = {"link_id": world.link.id, "holder": "gone:1:x", "seen_at": hands.wall()}
    db.write(lambda c: c.execute(insert(link_health).values(said_last)))
    hands.set_back()
    sweep = hands.of(db)
    for _ in range(2):
        await sweep.step()
    waits = db.read(lambda c: c.scalar(select(func.max(chunks.c.not_before))))
    assert clock.now_ms() - 60_000 < waits < clock.now_ms() + 5000


@pytest.mark.longer
async def test_a_clock_that_goes_as_it_should_moves_nothing(db: Database) -> None:
    hands = Hands()
    hands.set_back()
    sweep = hands.of(db)
    put_off(db)
    before = db.read(lambda c: c.execute(select(chunks.c.not_before)).all())
    for ahead in (0, HOUR_MS, HOUR_MS - 300_000):  # forward, and back by less than what is waited for
        hands.ahead_ms = ahead
        await sweep.step()
    assert db.read(lambda c: c.execute(select(chunks.c.not_before)).all()) == before


@pytest.mark.longer
async def test_a_clock_that_is_ahead_between_two_looks_only_is_noticed(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is put ahead by an hour, a message is put off, and it is put right, all within a second."""
    hands = Hands()
    hands.set_back()
    sweep = hands.of(db)
    await sweep.step()
    real = time.time_ns
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time_ns", lambda: real() + HOUR_MS * 1_000_000)
        world = put_off(db)
    for _ in range(2):  # one step is one step
        await sweep.step()
    waits = db.read(lambda c: c.scalar(select(func.max(chunks.c.not_before))))
    assert clock.now_ms() - 60_000 < waits < clock.now_ms() + 5000
    db.write(lambda c: c.execute(update(chunks).values(not_before=chunks.c.not_before - 5000)))
    assert world.claim() is not None


@pytest.mark.longer
async def test_a_step_while_the_last_process_ends_is_seen_by_that_process(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told to stop when it has looked at the clock for the last time; then the clock is set back."""
    world = put_off(db)
    later(db)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + HOUR_MS * 1_000_000)
    worker = Worker(db, world.ledger, Settings(), Metrics())
    worker.stop()
    monkeypatch.setattr(time, "time_ns", real)
    await worker.run()
    waits = db.read(lambda c: c.scalar(select(func.max(chunks.c.not_before))))
    assert clock.now_ms() - 60_000 < waits < clock.now_ms() + 5000


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
async def test_what_a_process_has_left_by_a_clock_that_was_ahead_ends_and_only_once(
    database_url: str, db: Database
) -> None:
    """As after a kill, the clock being set right, and the ledger being copied to PostgreSQL in between."""
    world = build(db, 4, chunk=2)
    world.fan_out()
    gone = world.claim("gone")
    assert gone
    db.write(world.ledger.record, world.link, gone, [], Reservation(gone.items[-1].seq, 2), 4.0)
    later(db)
    now = clock.now_ms()
    said_last = {"link_id": world.link.id, "holder": "gone:1:x", "seen_at": now + HOUR_MS}
    db.write(lambda c: c.execute(insert(link_health).values(said_last)))
    db.write(lambda c: c.execute(update(link_pace).values(next_free_us=1000 * (now + HOUR_MS))))
    sweeps = [ClockSteps(db), ClockSteps(db)]
    for sweep in sweeps * 2:
        await sweep.step()
    until = db.read(lambda c: c.scalar(select(func.max(chunks.c.lease_until))))
    free_us = db.read(lambda c: c.scalar(select(link_pace.c.next_free_us)))
    assert now - 60_000 < until < now + 60_000
    assert now - 60_000 < free_us / 1000 < now + 60_000
    db.write(lambda c: c.execute(update(chunks).values(lease_until=0).where(chunks.c.owner == "gone")))
    assert world.claim("next")
    assert db.read(lambda c: c.scalar(select(func.count()).where(chunks.c.owner == "next"))) == 1


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
async def test_reports_of_now_move_nothing(database_url: str, db: Database) -> None:
    world = build(db, 2)
    now = clock.now_ms()
    said_last = {"link_id": world.link.id, "holder": "here:1:x", "seen_at": now + 60_000}
    db.write(lambda c: c.execute(insert(link_health).values(said_last)))
    db.write(lambda c: c.execute(update(link_pace).values(next_free_us=1000 * (now + HOUR_MS))))
    for _ in range(2):
        await ClockSteps(db).step()
    assert db.read(lambda c: c.scalar(select(link_pace.c.next_free_us))) == 1000 * (now + HOUR_MS)

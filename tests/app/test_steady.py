"""A ledger's clock on SQLite goes on when the host's is set back, and lets the host's catch up."""

from __future__ import annotations

from itertools import pairwise

import pytest
from sqlalchemy import func, select, update

from app import clock
from app.clock import DAY_MS
from app.db import Database, shared_ms, wall_ms
from app.dispatch import closing
from app.dispatch.link_health import say
from app.dispatch.sendable import Work, claim
from app.ledger.contract import Intention, Outcome
from app.models import campaigns, link_health, quarantine
from app.states import DeliveryState
from app.steady import MOST_MS, SteadyClock
from carriers.contract import Accepted, Deferred, LinkHealth
from tests.app.ledger.test_matching import sent, state
from tests.app.ledger.times import apply, look_again, passes, said
from tests.app.world import build
from tests.engines import sqlite_alone

database_url = sqlite_alone
HOUR_MS = 3_600_000


class Hands:
    """A host's two clocks, turned by hand."""

    def __init__(self) -> None:
        self.wall, self.running = clock.now_ms(), 1000.0

    def pass_s(self, seconds: float) -> None:
        self.wall += round(1000 * seconds)
        self.running += seconds

    def steady(self) -> SteadyClock:
        return SteadyClock(lambda: self.wall, lambda: self.running)


def nothing() -> int:
    return 0


def test_it_is_the_host_s_clock_as_long_as_that_goes_on() -> None:
    hands = Hands()
    steady = hands.steady()
    for seconds in (0.0, 1.0, 3600.0, 0.001):
        hands.pass_s(seconds)
        assert steady.now_ms(nothing) == hands.wall


def test_after_a_step_back_it_goes_on_slowly_until_the_host_has_caught_up() -> None:
    hands = Hands()
    steady = hands.steady()
    before = steady.now_ms(nothing)
    hands.wall -= HOUR_MS
    found = [before]
    for _ in range(90):
        hands.pass_s(60)
        found.append(steady.now_ms(nothing))
    assert all(later - earlier >= 14_000 for earlier, later in pairwise(found))
    assert found[-1] == hands.wall
    assert max(reading - before for reading in found[:60]) <= 15 * 60_000


def test_a_clock_that_was_days_ahead_is_believed_once_it_is_right() -> None:
    hands = Hands()
    steady = hands.steady()
    hands.wall += 40 * DAY_MS
    steady.now_ms(nothing)
    hands.wall -= 40 * DAY_MS
    assert steady.now_ms(nothing) == hands.wall


@pytest.mark.parametrize(("ahead_ms", "kept"), [(HOUR_MS, True), (MOST_MS + 1000, False), (-HOUR_MS, False)])
def test_a_process_that_starts_after_the_step_goes_on_where_the_ledger_was(ahead_ms: int, kept: bool) -> None:
    hands = Hands()
    newest = hands.wall + ahead_ms
    assert hands.steady().now_ms(lambda: newest) == (newest if kept else hands.wall)


# ---- the ledger


@pytest.fixture
def hands(db: Database) -> Hands:
    """The clocks of the ledger's host."""
    made = Hands()
    db.engine.update_execution_options(loa_clock=made.steady())
    return made


def test_what_was_put_off_goes_out_again_though_the_clock_was_set_back(db: Database, hands: Hands) -> None:
    world = build(db, 1)
    world.fan_out()
    lease = world.claim()
    assert lease
    put_off = [Outcome(item, Deferred("0x58", 5.0, throttled=True)) for item in lease.items]
    db.write(world.ledger.record, world.lane, lease, put_off, None, 30.0)
    db.write(world.ledger.release, lease, 5.0)
    hands.wall -= HOUR_MS
    assert world.claim() is None
    hands.pass_s(5 / 0.25 + 1)
    assert world.claim() is not None


def test_a_lease_whose_holder_is_gone_ends_though_the_clock_was_set_back(db: Database, hands: Hands) -> None:
    world = build(db, 2)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.lane, lease, [], Intention(lease.items[-1].seq, 2, 0.01), 30.0)
    hands.wall -= HOUR_MS
    hands.pass_s(30 / 0.25 + 1)
    world.claim("heir")
    assert world.states() == {int(DeliveryState.UNKNOWN): 2}


def test_receipts_of_what_was_sent_before_the_step_are_matched(db: Database, hands: Hands) -> None:
    world = sent(db, Accepted(("K1",)), count=1)
    hands.wall -= HOUR_MS
    hands.pass_s(10)
    assert apply(world, said(world, "K1", days=None)) == (1, 1, 0)
    assert state(world) == DeliveryState.DELIVERED


def test_a_quarantined_receipt_is_looked_at_again_though_the_clock_was_set_back(
    db: Database, hands: Hands
) -> None:
    world = sent(db, Accepted(("K1",)), count=1)
    assert apply(world, said(world, "K2")) == (0, 0, 1)
    hands.wall -= HOUR_MS
    for _ in range(3):
        hands.pass_s(60)
        db.write(world.ledger.rematch, 10)
    assert db.read(lambda c: c.scalar(select(func.max(quarantine.c.tries)))) == 3


def test_sending_hours_and_ends_go_by_the_host_s_clock(db: Database, hands: Hands) -> None:
    world = build(db, 1)
    world.fan_out()
    hands.wall += HOUR_MS  # the host's clock was an hour ahead, and was set right
    db.write(shared_ms)
    hands.wall -= HOUR_MS
    work = db.write(claim, world.ledger, world.lane, "me", 30.0)
    assert isinstance(work, Work)
    end = clock.now_ms() + HOUR_MS // 2
    assert clock.to_ms(work.at) < end  # by this the sending hours are looked at
    db.write(lambda c: c.execute(update(campaigns).values(window_end=end)))
    assert db.read(shared_ms) > end > db.read(wall_ms)
    assert db.read(lambda c: closing.to_close(c, world.ledger)) == []


def test_after_a_restart_receipts_of_what_was_sent_before_the_step_are_matched(db: Database) -> None:
    world = sent(db, Accepted(("K1",)), count=1)
    db.write(say, [(world.lane.id, "a", LinkHealth(connected_since=clock.monotonic()))])
    passes(db, -1 / 24)  # what is stored is of a time to come: the clock was set back by an hour
    db.write(lambda c: c.execute(update(link_health).values(seen_at=link_health.c.seen_at + HOUR_MS)))
    db.engine.update_execution_options(loa_clock=SteadyClock())  # as a process that starts has it
    assert apply(world, said(world, "K1", days=None)) == (1, 1, 0)
    look_again(world)
    assert state(world) == DeliveryState.DELIVERED

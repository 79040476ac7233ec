"""After a leap of the clock what cannot be undone waits, until the time has lasted a day or is confirmed."""

from __future__ import annotations

from sqlalchemy import update

from app.core.clock import DAY_MS
from app.database import clock_leaps
from app.database import models as m
from app.database.clock_leaps import LEAP_MS, LeapWatch
from app.database.connection import Database
from tests.engines import each_engine

database_url = each_engine
HOUR_MS = 3_600_000
T = m.trusted_clock.c


def leap_by(db: Database, days: float, *watches: LeapWatch) -> None:
    """Let the shared clock be ahead of what was recorded, and of what these have seen, by so many days."""
    back = round(days * DAY_MS)
    for watch in watches:
        assert watch.seen is not None
        watch.seen = (watch.seen[0] - back, watch.seen[1])
    earlier = {"trusted_at": T.trusted_at - back, "noted_at": T.noted_at - back}
    db.write(lambda c: c.execute(update(m.trusted_clock).values(earlier)))


def run_for(db: Database, watch: LeapWatch, since_s: float, hours: int) -> float:
    """Let so many hours pass, of which a watch notes each; return its monotonic time at the end."""
    for _ in range(hours):
        db.write(lambda c: c.execute(update(m.trusted_clock).values(noted_at=T.noted_at - HOUR_MS)))
        since_s += 3600
        db.write(watch.note, since_s)
    return since_s


def may(db: Database) -> bool:
    return db.read(clock_leaps.may_be_irreversible)


def test_a_new_ledger_trusts_its_clock(db: Database) -> None:
    assert may(db)
    watch = LeapWatch()
    assert db.read(watch.is_due)
    db.write(watch.note, 0.0)
    assert not db.read(watch.is_due)
    assert may(db)


def test_a_leap_is_noticed_by_who_asks_before_any_watch_has(db: Database) -> None:
    db.write(LeapWatch().note, 0.0)
    leap_by(db, 120)
    found = db.read(clock_leaps.leap)
    assert found is not None
    assert (found.leapt_ms - found.trusted_ms) // DAY_MS == 120
    assert "Erasure and snapshots wait" in found.sentence


def test_a_small_step_and_a_suspended_machine_are_no_leap(db: Database) -> None:
    watch = LeapWatch()
    db.write(watch.note, 0.0)
    leap_by(db, 0.9 * LEAP_MS / DAY_MS, watch)
    db.write(watch.note, 60.0)
    assert may(db)
    leap_by(db, 3, watch)
    db.write(watch.note, 60.0 + 3 * 86_400)  # its monotonic clock ran on as well
    assert may(db)


def test_after_a_leap_it_waits_until_the_time_has_lasted_a_day_of_running(db: Database) -> None:
    watch = LeapWatch()
    db.write(watch.note, 0.0)
    leap_by(db, 120, watch)
    db.write(watch.note, 60.0)
    assert not may(db)
    at = run_for(db, watch, 60.0, 23)
    assert not may(db)
    run_for(db, watch, at, 1)
    assert may(db)


def test_a_machine_that_was_off_counts_only_the_time_in_which_it_ran(db: Database) -> None:
    db.write(LeapWatch().note, 0.0)
    leap_by(db, 120)
    db.write(LeapWatch().note, 5.0)
    for _ in range(30):  # each process notes once and is gone
        db.write(lambda c: c.execute(update(m.trusted_clock).values(noted_at=T.noted_at - HOUR_MS)))
        db.write(LeapWatch().note, 5.0)
    assert not may(db)


def test_a_clock_that_is_put_right_is_trusted_at_once(db: Database) -> None:
    watch = LeapWatch()
    db.write(watch.note, 0.0)
    leap_by(db, 120, watch)
    db.write(watch.note, 60.0)
    assert not may(db)
    leap_by(db, -120, watch)
    db.write(watch.note, 120.0)
    assert may(db)


def test_a_person_confirms_it_once_and_all_processes_believe_it(db: Database) -> None:
    watch, other = LeapWatch(), LeapWatch()
    for each in (watch, other):
        db.write(each.note, 0.0)
    leap_by(db, 120, watch, other)
    db.write(watch.note, 60.0)
    assert db.write(clock_leaps.confirm) is not None
    for each in (watch, other):
        db.write(each.note, 90.0)
    assert may(db)
    assert db.write(clock_leaps.confirm) is None

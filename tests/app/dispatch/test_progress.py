"""How fast a run sends is what went out between the worker's looks, and nothing where nobody looks."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, func, insert, select, update

from app.core import clock
from app.core.states import DeliveryState as State
from app.database.connection import Database
from app.database.models import run_counts, runs, tallies
from app.observability.send_rate import (
    EVERY_MS,
    MINUTES,
    NOTHING,
    SPAN_MS,
    Measured,
    count,
    is_due,
    last_hour,
    measured,
)
from tests.app.world import build


def sent(c: Connection, segments: int, state: State = State.SUBMITTED) -> None:
    """So many more parts of run 1 have come to this state."""
    row = {"campaign_id": 1, "run_id": 1, "batch_id": 1, "reason": 0, "state": int(state)}
    c.execute(insert(tallies).values(**row, n=segments, segments=segments))


def older(c: Connection, ms: int) -> None:
    """All looks were so much earlier."""
    c.execute(update(run_counts).values(at=run_counts.c.at - ms))


def looks(c: Connection) -> int:
    return int(c.scalar(select(func.count()).select_from(run_counts)) or 0)


@pytest.mark.longer
def test_the_rate_is_what_went_out_between_two_looks(db: Database) -> None:
    build(db, 3)
    db.write(sent, 100)
    db.write(count)
    assert db.read(measured, [1]) == {1: NOTHING}
    db.write(older, 20_000)
    db.write(sent, 400, State.DELIVERED)
    db.write(sent, 900, State.QUEUED)
    db.write(count)
    found = db.read(measured, [1])[1]
    assert found.segments_per_second is not None
    assert 19 < found.segments_per_second <= 20
    assert db.read(measured, [2]) == {}


def test_a_run_that_stands_is_known_after_a_minute_and_not_before(db: Database) -> None:
    build(db, 3)
    for _ in range(2):
        db.write(count)
        db.write(older, SPAN_MS - EVERY_MS if _ == 0 else 0)
    assert db.read(measured, [1])[1].still
    assert not Measured(0.0, 20_000).still
    assert not Measured(0.1, SPAN_MS).still


def test_it_is_counted_every_few_seconds_by_one_process_and_only_while_something_runs(db: Database) -> None:
    build(db, 3)
    assert db.read(is_due)
    db.write(count)
    assert not db.read(is_due)
    db.write(older, EVERY_MS + 1)
    assert db.read(is_due)
    db.write(lambda c: c.execute(update(runs).values(state="paused")))
    assert not db.read(is_due)
    db.write(older, MINUTES * SPAN_MS + SPAN_MS + EVERY_MS)
    assert db.read(is_due)  # to forget
    db.write(count)
    assert db.read(looks) == 0
    assert not db.read(is_due)


def test_looks_of_a_worker_that_is_gone_say_nothing(db: Database) -> None:
    build(db, 3)
    db.write(count)
    db.write(older, 31_000)
    assert db.read(measured, [1]) == {}
    db.write(older, (MINUTES + 1) * SPAN_MS)
    db.write(count)
    assert db.read(looks) == 1  # what is too old is forgotten


@pytest.mark.longer
def test_an_hour_is_kept_by_one_look_a_minute(db: Database) -> None:
    build(db, 3)
    now = clock.now_ms() // SPAN_MS * SPAN_MS
    rows = [{"run_id": 1, "at": now - 5000 * n, "segments": 100_000 - 100 * n} for n in range(1, 481)]
    db.write(lambda c: c.execute(insert(run_counts), rows))  # 100 parts every 5 s, for 40 minutes
    db.write(sent, 99_900)
    db.write(count)
    assert db.read(looks) < 60
    assert db.read(last_hour, [1]) == 47_900
    assert db.read(last_hour, []) == 0

"""An operator's orders: each obeyed once, and only where it makes sense."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select, update

from app.campaigns import approval, lifecycle, optimistic_lock, runs
from app.campaigns.forecast import forecast
from app.campaigns.runs import Verb
from app.core import clock
from app.core.errors import Conflict, Invalid, NotFound
from app.core.states import NotSent
from app.database.connection import Database
from app.database.models import audit, campaigns
from app.database.models import runs as table
from app.security import Caller
from tests.app.campaigns.rows import DRAFT, HOURS, new_link, new_run
from tests.engines import other_by_hand
from tests.exact import exactly
from tests.operations import carry_out


def approved(db: Database) -> int:
    """An approved campaign's run."""
    campaign_id, run_id = db.write(new_run)
    db.write(lifecycle.submit, campaign_id, "author")
    db.write(approval.approve, campaign_id, Caller("chief", "admin"))
    return run_id


def put(db: Database, run_id: int, state: str) -> None:
    db.write(lambda c: c.execute(update(table).where(table.c.id == run_id).values(state=state)))


def orders(db: Database) -> int:
    query = select(func.count()).select_from(audit).where(audit.c.who == "operator")
    return int(db.read(lambda c: c.execute(query).scalar_one()))


@other_by_hand
@pytest.mark.parametrize(
    ("before", "verb", "after"),
    [
        ("planned", Verb.START, "running"),
        ("running", Verb.START, "running"),
        ("running", Verb.PAUSE, "paused"),
        ("paused", Verb.PAUSE, "paused"),
        ("paused", Verb.RESUME, "running"),
        ("running", Verb.RESUME, "running"),
        ("planned", Verb.CANCEL, "cancelling"),
        ("running", Verb.CANCEL, "cancelling"),
        ("paused", Verb.CANCEL, "cancelling"),
        ("cancelling", Verb.CANCEL, "cancelling"),
        ("cancelled", Verb.CANCEL, "cancelled"),
    ],
)
def test_an_order_moves_the_run_or_finds_it_obeyed(db: Database, before: str, verb: Verb, after: str) -> None:
    run_id = approved(db)
    put(db, run_id, before)
    assert runs.order(db, verb, run_id, "operator") == after
    assert db.read(optimistic_lock.run, run_id).state == after
    assert orders(db) == (before != after)


@other_by_hand
@pytest.mark.parametrize(
    ("before", "verb"),
    [
        ("paused", Verb.START),
        ("sent", Verb.START),
        ("finished", Verb.START),
        ("cancelled", Verb.START),
        ("planned", Verb.PAUSE),
        ("sent", Verb.PAUSE),
        ("planned", Verb.RESUME),
        ("sent", Verb.RESUME),
        ("cancelling", Verb.RESUME),
        ("sent", Verb.CANCEL),
        ("finished", Verb.CANCEL),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(db: Database, before: str, verb: Verb) -> None:
    run_id = approved(db)
    put(db, run_id, before)
    with pytest.raises(Conflict, match=f"Cannot {verb} the run because it is {before}"):
        runs.order(db, verb, run_id, "operator")
    assert orders(db) == 0


@pytest.mark.longer
def test_a_start_says_when_and_a_cancel_says_why(db: Database) -> None:
    run_id = approved(db)
    runs.order(db, Verb.START, run_id, "operator")
    assert abs(db.read(optimistic_lock.run, run_id).started_at - clock.now_ms()) < 60_000
    runs.order(db, Verb.CANCEL, run_id, "operator")
    assert db.read(optimistic_lock.run, run_id).closing == NotSent.CANCELLED


def test_a_start_needs_an_approval(db: Database) -> None:
    _, run_id = db.write(new_run)
    with pytest.raises(Conflict, match=exactly("The campaign is draft. Runs can start only after approval.")):
        runs.order(db, Verb.START, run_id, "operator")


@pytest.mark.longer
def test_a_start_after_an_edit_is_refused(db: Database) -> None:
    run_id = approved(db)
    campaign = db.read(optimistic_lock.campaign, db.read(optimistic_lock.run, run_id).campaign_id)
    db.write(lifecycle.edit, campaign.id, campaign.version, DRAFT, HOURS, "author")
    with pytest.raises(Conflict, match="is draft"):
        runs.order(db, Verb.START, run_id, "operator")


@pytest.mark.longer
def test_a_start_after_the_window_is_refused(db: Database) -> None:
    campaign_id, run_id = db.write(new_run)
    db.write(lifecycle.submit, campaign_id, "author")
    past = clock.now_ms() - 1000
    db.write(lambda c: c.execute(update(campaigns).values(window_end=past)))
    db.write(approval.approve, campaign_id, Caller("chief", "admin"))
    with pytest.raises(Conflict, match="window ended at"):
        runs.order(db, Verb.START, run_id, "operator")


def test_an_order_wakes_whoever_waits(db: Database) -> None:
    run_id, woken = approved(db), threading.Event()
    db.on_wake(woken.set)
    for _ in range(50):  # the listener of PostgreSQL may still be connecting
        runs.order(db, Verb.START, run_id, "operator")
        if woken.wait(0.1):
            break
    assert woken.is_set()


@pytest.mark.longer
def test_an_order_over_a_run_that_has_moved_is_refused(db: Database) -> None:
    run_id = approved(db)
    seen = db.read(optimistic_lock.run, run_id)
    put(db, run_id, "running")
    with pytest.raises(Conflict, match="no longer planned"):
        db.write(optimistic_lock.change_run, seen, priority=3)


@pytest.mark.longer
def test_many_starts_at_once_are_one_start(db: Database) -> None:
    run_id = approved(db)
    outcomes: list[str] = []

    def start() -> None:
        try:
            outcomes.append(runs.order(db, Verb.START, run_id, "operator"))
        except Conflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("running") >= 1
    assert orders(db) == 1


def test_a_priority_is_kept_within_its_bounds(db: Database) -> None:
    run_id = approved(db)
    carry_out(db, "set_priority", "operator", run_id=run_id, priority=7)
    assert db.read(optimistic_lock.run, run_id).priority == 7
    with pytest.raises(Invalid, match=exactly("priority must be at most 100.")):
        carry_out(db, "set_priority", "operator", run_id=run_id, priority=101)


@pytest.mark.longer
def test_a_rate_is_a_tenth_of_the_links_at_least_and_kept_with_who_set_it(db: Database) -> None:
    run_id = approved(db)
    carrier = db.read(optimistic_lock.run, run_id).carrier
    for n in (1, 2):
        db.write(new_link, f"{carrier}-{n}", 105.0, carrier=carrier)
    with pytest.raises(Invalid, match="between 21 and"):
        carry_out(db, "set_rate", "operator", run_id=run_id, segments_per_second=20)
    carry_out(db, "set_rate", "operator", run_id=run_id, segments_per_second=21)
    assert db.read(forecast, run_id, clock.now()).segments_per_second == 21
    db.write(new_link, f"{carrier}-3", 790.0, carrier=carrier)  # and so a tenth is more now
    assert db.read(forecast, run_id, clock.now()).segments_per_second == 100
    carry_out(db, "set_rate", "operator", run_id=run_id, segments_per_second=None)
    assert db.read(optimistic_lock.run, run_id).segments_per_second is None
    query = select(audit.c.detail).where(audit.c.action == "run.rate").order_by(audit.c.id)
    assert db.read(lambda c: c.execute(query).scalars().all()) == [
        {"rate": 21, "before": None},
        {"rate": None, "before": 21},
    ]


def test_a_cancelled_run_takes_no_rate(db: Database) -> None:
    run_id = approved(db)
    put(db, run_id, "cancelled")
    with pytest.raises(Conflict, match="is cancelled"):
        carry_out(db, "set_rate", "operator", run_id=run_id, segments_per_second=21)


def test_an_order_to_no_run_is_not_found(db: Database) -> None:
    with pytest.raises(NotFound, match="no run 5"):
        runs.order(db, Verb.START, 5, "operator")

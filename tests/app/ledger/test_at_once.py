"""Two processes at one message: it ends as if one of them had come wholly before the other."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Connection, select, update

from app.core import clock
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import deliveries, quarantine, runs
from app.dispatch.run_sweeps import RunMove, advance, take_step
from app.ledger.contract import DeliveryKey, SubmitOutcome
from app.reports.verification.verify import verify
from carriers.contract import Accepted, Partial, Reason, ReceiptStatus, Rejected, SubmitResult
from tests.app.at_once import somebody_waits, until, while_open
from tests.app.ledger.test_learnt_parts import NOT_TAKEN, answers, checked, lost
from tests.app.ledger.times import (
    BAD,
    GOOD,
    ON_ITS_WAY,
    QUEUED,
    SUBMITTED,
    UNKNOWN,
    apply,
    gone,
    look_again,
    notice,
    queued,
    said,
)


@pytest.mark.parametrize("status", [GOOD, BAD])
def test_a_part_is_not_the_whole_because_its_answer_is_just_being_recorded(
    db: Database, status: ReceiptStatus
) -> None:
    world, slow = lost(db, parts=3)
    outcomes = [SubmitOutcome(slow.items[0], Accepted(("a", "b", "c")))]
    while_open(
        db,
        lambda c: world.ledger.record(c, world.link, slow, outcomes, None, 30.0),
        lambda: apply(world, said(world, "b", status)),
    )
    look_again(world)
    assert checked(world) == SUBMITTED


@pytest.mark.parametrize("status", [GOOD, BAD, ON_ITS_WAY])
def test_what_is_just_being_learnt_is_not_sent_again(db: Database, status: ReceiptStatus) -> None:
    world, slow = lost(db)
    apply(world, said(world, "b", status))
    look_again(world, 1)
    db.write(lambda c: c.execute(update(quarantine).values(try_at=0)))
    while_open(db, lambda c: world.ledger.rematch(c, 500), lambda: answers(world, slow, NOT_TAKEN))
    assert checked(world) == UNKNOWN
    assert world.states() == {int(DeliveryState.UNKNOWN): 1} == world.tallied()


def test_what_is_just_being_written_off_stays_so(db: Database) -> None:
    world, slow = lost(db)
    key = DeliveryKey(world.campaign, world.batch, 2)
    while_open(db, lambda c: world.ledger.write_off(c, [key], "Lan"), lambda: answers(world, slow, NOT_TAKEN))
    assert checked(world) == UNKNOWN


def test_what_is_just_being_queued_again_keeps_its_run_from_being_finished(db: Database) -> None:
    """The sweep has seen that nothing is queued, and waits for the run."""
    world, slow = lost(db)
    long_ago = clock.now_ms() - 5 * clock.DAY_MS
    over = {"state": RunState.SENT.value, "started_at": long_ago, "ended_at": long_ago}
    db.write(lambda c: c.execute(update(runs).values(over)))
    step, outcomes = (
        RunMove(world.run, RunState.SENT, RunState.FINISHED),
        [SubmitOutcome(slow.items[0], NOT_TAKEN)],
    )
    while_open(
        db,
        lambda c: world.ledger.record(c, world.link, slow, outcomes, None, 30.0),
        lambda: db.write(take_step, world.ledger, step, 1000),
    )
    assert db.write(advance, world.ledger, 86_400_000)
    assert db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == RunState.RUNNING
    assert checked(world) == QUEUED
    assert world.claim("heir")


@pytest.mark.parametrize(
    "second", [NOT_TAKEN, Rejected("11", Reason.OTHER), Partial(("a3", None), (1,), "0x45", Reason.OTHER)]
)
def test_late_answers_of_several_kinds_wait_for_nobody_who_waits_for_them(
    db: Database, second: SubmitResult
) -> None:
    """They lock their messages by line, as everybody does."""
    world = queued(db, parts=2, count=2)
    slow = gone(world, parts=2)
    notice(world)
    results = [Accepted(("a2", "b2")), second]
    outcomes = [SubmitOutcome(item, each) for item, each in zip(slow.items, results, strict=True)]
    keys = [DeliveryKey(world.campaign, world.batch, seq) for seq in (2, 3)]
    written_off = list[int]()

    def by_line(connection: Connection) -> None:
        """As one statement over both, which has got as far as the first when the answers come."""
        first = select(deliveries.c.seq).where(deliveries.c.seq == 2).with_for_update()
        connection.execute(first)
        begun.set()
        if not db.sqlite:
            until(lambda: somebody_waits(db))
        written_off.append(world.ledger.write_off(connection, keys, "Lan"))

    begun = threading.Event()
    locking = threading.Thread(target=db.write, args=[by_line])
    locking.start()
    assert begun.wait(10)
    db.write(world.ledger.record, world.link, slow, outcomes, None, 30.0)
    locking.join(10)
    assert written_off == [2]
    assert verify(db, world.ledger) == []
    assert world.states() == world.tallied()

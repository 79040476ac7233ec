"""What the ledger keeps and answers beside what it sends: why, how many, and where nothing is left."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import deliveries, runs, unknowns
from app.ledger import directive_deadline, transfer, unreached
from app.ledger.contract import DeliveryKey, FanOutResult, Reservation, SubmitOutcome
from app.ledger.engine_base import SubmissionQuery
from app.ledger.receipt_times import EVER, VALIDITY_MS
from app.ledger.submit_results import MAX_FAULTS
from carriers.contract import Accepted, Deferred, Unknown
from tests.app.ledger.test_receipt_matching import again, sent, state
from tests.app.ledger.times import BAD, DELIVERED, apply, killed, notice, said
from tests.app.world import build


def test_the_list_of_unknowns_says_that_the_sender_died(db: Database) -> None:
    notice(killed(db))
    assert db.read(lambda c: c.execute(select(unknowns.c.why)).scalars().all()) == [
        "the process that was sending it stopped"
    ]


def test_a_slice_of_what_is_queued_whole_has_nothing(db: Database) -> None:
    world = build(db, 3)
    db.write(world.ledger.open_campaign, world.campaign)
    slices = [db.write(world.ledger.fan_out, world.run, world.batch, {"": 1}, 3) for _ in range(3)]
    assert slices == [FanOutResult(3, 0, more=True), *2 * [FanOutResult(0, 0, more=False)]]


def test_what_fails_too_often_by_the_carriers_fault_is_one_refused_part(db: Database) -> None:
    world = build(db, 1)
    world.fan_out()
    for nth in range(MAX_FAULTS):
        lease = world.claim()
        assert lease
        outcomes = [SubmitOutcome(item, Deferred("0x08", 0.0, counts=True)) for item in lease.items]
        db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
        db.write(world.ledger.release, lease, 0.0)
        row = world.delivery(2)
        assert (row["faults"], row["parts"]) == (nth + 1, 1)
    assert (row["state"], row["failed"]) == (DeliveryState.REJECTED, 1)


def test_a_number_is_found_once_however_many_messages_it_had(db: Database) -> None:
    world = build(db, 2)
    world.fan_out()
    own = unreached._found(deliveries, deliveries.c.campaign_id == world.campaign)
    assert db.read(lambda c: c.execute(select(own)).scalar_one())


@pytest.mark.parametrize(("ago_ms", "over"), [(VALIDITY_MS + 60_000, True), (VALIDITY_MS - 60_000, False)])
def test_a_cancelled_run_is_over_once_no_receipt_can_come(db: Database, ago_ms: int, over: bool) -> None:
    world = build(db, 1)
    values = {"state": RunState.CANCELLED.value, "ended_at": clock.now_ms() - ago_ms}
    db.write(lambda c: c.execute(runs.update().values(values)))
    chosen = unreached.FollowUpDefinition(world.campaign, (world.campaign,), unreached.USUAL, ())
    found = db.read(lambda c: unreached.Rounds(c, chosen)._over)
    assert found == ([world.run] if over else [])


def test_a_failure_of_what_was_taken_back_unsent_is_not_of_the_sending_to_come(db: Database) -> None:
    world = build(db, 1)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(item, Unknown("no answer", ("a",))) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    key = DeliveryKey(world.campaign, world.batch, 2)
    assert db.write(world.ledger.take_back, lease, [key]) == [key]
    assert apply(world, said(world, "a", BAD)) == (1, 0, 0)
    assert world.delivery(2)["failed"] == 0


def test_a_receipt_without_a_time_does_not_make_the_next_one_its_repetition(db: Database) -> None:
    first = sent(db, Accepted())
    assert apply(first, said(first, None, days=None)) == (1, 1, 0)
    second = again(first, Accepted())
    assert apply(first, said(first, None)) == (1, 1, 0)
    assert (state(first), state(second)) == (DELIVERED, DELIVERED)


def test_a_campaign_that_is_erased_while_its_receipts_are_matched_is_said_to_be_busy(db: Database) -> None:
    world = sent(db, Accepted(("m",)))
    asked = [SubmissionQuery(1, "m", None, 0, EVER)]

    def look(within: Sequence[int]) -> int:
        return len(db.write(lambda c: world.ledger.find(c, asked, within)))

    assert look([world.campaign]) == 3
    if not db.sqlite:
        with pytest.raises(DatabaseUnavailable, match="was erased meanwhile"):
            look([world.campaign, world.campaign + 9])


def test_a_late_answer_says_in_how_many_parts_the_message_went(db: Database) -> None:
    world = build(db, 1)
    db.write(world.ledger.open_campaign, world.campaign)
    db.write(world.ledger.fan_out, world.run, world.batch, {"": 2}, 100)
    dead = world.claim(lease_s=0.0)
    assert dead
    db.write(world.ledger.record, world.link, dead, [], Reservation(2, 2), -1.0)
    notice(world)
    assert world.delivery(2)["parts"] == 2
    outcomes = [SubmitOutcome(item, Accepted(("whole",))) for item in dead.items]
    db.write(world.ledger.record, world.link, dead, outcomes, None, 30.0)
    assert world.delivery(2)["parts"] == 1
    apply(world, said(world, "whole"))
    assert state(world) == DELIVERED


def test_the_deadline_of_a_past_moment_is_the_one_before_the_next_change(db: Database) -> None:
    def held(at_ms: int) -> int | None:
        return db.read(directive_deadline.held_at, 7, 3000, at_ms)

    now = clock.now_ms()
    assert held(now) == 3000
    db.write(directive_deadline.note, 7, (1000, 2000), "flood", "admin")
    db.write(directive_deadline.note, 8, (5, 6), "of another letter", "admin")
    db.write(directive_deadline.note, 7, (2000, 3000), "flood again", "admin")
    assert (held(now - 60_000), held(clock.now_ms() + 60_000)) == (1000, 3000)


def test_a_copy_is_summed_over_every_column_of_a_delivery() -> None:
    assert [column.name for column in deliveries.columns if not transfer._summable(column)] == []

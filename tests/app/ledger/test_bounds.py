"""What the ledger keeps and answers beside what it sends: why, how many, and where nothing is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import chunks, deliveries, follow_ups, link_pace, links, runs, subscribers, unknowns
from app.ledger import approval_digest, batch_rows, directive_deadline, transfer, unreached
from app.ledger.contract import (
    EVER,
    VALIDITY_MS,
    DeliveryKey,
    FanOutResult,
    Reservation,
    SubmissionQuery,
    SubmitOutcome,
)
from app.ledger.ledger import ledger_for
from app.ledger.submit_results import MAX_FAULTS
from app.ledger.unknown_outcomes import take_back
from carriers.contract import Accepted, Deferred, Halted, Unknown
from tests.app.at_once import while_open
from tests.app.ledger.test_receipt_matching import again, sent, state
from tests.app.ledger.times import BAD, DELIVERED, ON_ITS_WAY, apply, killed, notice, passes, said
from tests.app.world import build


def test_the_list_of_unknowns_says_that_the_sender_died(db: Database) -> None:
    notice(killed(db))
    assert db.read(lambda c: c.execute(select(unknowns.c.why)).scalars().all()) == [
        "the process that was sending it stopped"
    ]


def test_a_slice_of_what_is_queued_whole_has_nothing(db: Database) -> None:
    world = build(db, 3)
    db.write(world.ledger.open_campaign, world.campaign)
    slices = [db.write(world.ledger.fan_out, world.run, world.batch, 1, 3) for _ in range(3)]
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


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.SENT, RunState.CANCELLED, RunState.FINISHED])
@pytest.mark.parametrize(("ago_ms", "waits"), [(VALIDITY_MS + 60_000, False), (VALIDITY_MS - 60_000, True)])
def test_whether_a_receipt_is_awaited_is_judged_by_the_messages_own_time(
    db: Database, ago_ms: int, waits: bool, state: RunState
) -> None:
    world = sent(db, Accepted(("m",)))
    db.write(lambda c: c.execute(update(deliveries).values(submitted_at=clock.now_ms() - ago_ms)))
    db.write(lambda c: c.execute(update(runs).values(state=state.value)))
    counts = db.read(unreached.counts, [world.campaign])
    assert [count.cause.outcome for count in counts] == (
        [] if waits and state is not RunState.FINISHED else [unreached.Outcome.NO_RECEIPT]
    )


def test_what_the_carrier_may_have_is_not_taken_back(db: Database) -> None:
    world = build(db, 1)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(item, Unknown("no answer", ("a",))) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    key = DeliveryKey(world.campaign, world.batch, 2)
    assert db.write(lambda c: take_back(world.ledger.engine, c, lease, [key])) == []
    assert apply(world, said(world, "a", BAD)) == (1, 1, 0)


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
        return len(db.write(lambda c: world.ledger.engine.find(c, asked, within)))

    assert look([world.campaign]) == 3
    if not db.sqlite:
        with pytest.raises(DatabaseUnavailable, match="was erased in the meantime"):
            look([world.campaign, world.campaign + 9])


def test_a_late_answer_says_in_how_many_parts_the_message_went(db: Database) -> None:
    world = build(db, 1)
    db.write(world.ledger.open_campaign, world.campaign)
    db.write(world.ledger.fan_out, world.run, world.batch, 2, 100)
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
    assert [
        column.name for column in deliveries.columns if not isinstance(column.type, transfer._SUMMABLE)
    ] == []


def test_an_approval_names_what_the_links_of_its_own_carriers_make_of_a_text(db: Database) -> None:
    world = build(db, 1)
    assert db.read(approval_digest.link_contents, world.campaign) is None
    other = {
        "name": "vnpt-1",
        "carrier": "vnpt",
        "receipt_group": "vnpt-1",
        "group_id": 2,
        "receipt_level": 2,
    }
    other |= {"segments_per_second": 1.0, "state": "running", "changed_at": 0, "content_hash": "of another"}
    db.write(lambda c: c.execute(links.insert().values(other)))
    assert db.read(approval_digest.link_contents, world.campaign) is None
    own = links.update().where(links.c.id == world.link.id).values(content_hash="own")
    db.write(lambda c: c.execute(own))
    assert db.read(approval_digest.link_contents, world.campaign) == {"viettel": ["own"]}


def test_another_area_is_another_list(db: Database) -> None:
    """The area chooses the text."""
    world = build(db, 3)
    before = db.read(batch_rows.hash_rows, world.batch)
    at_line_2 = subscribers.update().where(subscribers.c.seq == 2)
    db.write(lambda c: c.execute(at_line_2.values(area="03664")))
    after = db.read(batch_rows.hash_rows, world.batch)
    assert before[0].keys() == after[0].keys()
    assert before[1] != after[1]


def test_a_link_that_halts_asks_for_no_more_of_a_spent_budget(db: Database) -> None:
    world = build(db, 50)
    world.rewrite(budget_segments=20)
    world.fan_out()
    lease = world.claim()
    assert lease
    lease = replace(lease, budget=world.campaign)
    db.write(world.ledger.record, world.link, lease, [], Reservation(21, 20), 30.0)
    halted = [SubmitOutcome(lease.items[0], Halted("0x0E", "wrong password"))]
    grant = db.write(world.ledger.record, world.link, lease, halted, Reservation(41, 20), 30.0)
    assert (grant.held, grant.go, grant.left) == (True, False, None)


def test_the_list_of_unknowns_names_the_lease_that_may_have_sent_it(db: Database) -> None:
    world = killed(db)
    (attempt,) = db.read(lambda c: c.execute(select(chunks.c.attempt)).scalars())
    passes(db, 1)
    assert db.write(world.ledger.expire_leases, world.run, 10) == 1
    assert db.read(lambda c: c.execute(select(unknowns.c.attempt)).scalars().all()) == [attempt]


def test_a_batch_of_a_file_is_given_nobody_whom_another_campaign_did_not_reach(db: Database) -> None:
    world = sent(db, Accepted(("m",)), count=2)
    of = unreached.LineRange(world.campaign, world.run, world.batch, 0, 10)
    assert db.write(unreached.add_unreached, world.batch, of, 0) == 0


def test_a_batch_of_a_file_has_no_definition_of_another_batch(db: Database) -> None:
    world = build(db, 1)
    other = again(world, Accepted()).batch
    row = {"batch_id": other, "campaign_id": world.campaign, "outcomes": ["expired"], "areas": []}
    db.write(lambda c: c.execute(follow_ups.insert().values(row)))
    assert db.read(unreached.definition, world.batch) is None
    assert db.read(unreached.definition, other) == unreached.FollowUpDefinition(
        world.campaign, (), (unreached.Outcome.EXPIRED,), ()
    )


def test_a_link_is_reserved_by_the_clock_that_all_read(db: Database) -> None:
    world = build(db, 1)
    db.write(world.ledger.engine.reserve, world.link, 1.0)
    free_us = db.read(lambda c: c.execute(select(link_pace.c.next_free_us)).scalar_one())
    assert abs(free_us - clock.now_ms() * 1000) < 30_000_000


def test_two_processes_may_make_room_for_one_campaign_at_once(db: Database) -> None:
    ledger = ledger_for(db)
    while_open(db, lambda c: ledger.open_campaign(c, 77), lambda: db.write(ledger.open_campaign, 77))
    db.write(ledger.open_campaign, 77)


def test_a_part_on_its_way_says_when_it_was_last_heard_of(db: Database) -> None:
    world = sent(db, Unknown("no answer", ("a", "b")), count=1)
    arrival = said(world, "a", ON_ITS_WAY, days=-0.001)
    assert apply(world, arrival) == (1, 1, 0)
    stated = clock.to_ms_or_none(arrival.receipt.done_at)
    assert world.delivery(2)["done_at"] == stated

"""Answers that come late, twice, or after a person has spoken: each moves only what its own sending made."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Connection, select, update

from app.core.states import DeliveryState, NotSent, RunState
from app.database.connection import Database
from app.database.models import chunks, runs, submissions, unknowns
from app.dispatch import run_sweeps as sweeps
from app.ledger.contract import ChunkLease, DeliveryKey, Reservation, SubmitOutcome
from app.reports.verification.verify import verify
from carriers.contract import (
    Accepted,
    Deferred,
    Partial,
    Reason,
    ReceiptStatus,
    Rejected,
    SubmitResult,
    Unknown,
)
from tests.app.world import FIRST_PHONE, World, accepted, build, receipt

Q, S, U, N = (
    int(DeliveryState.QUEUED),
    int(DeliveryState.SUBMITTED),
    int(DeliveryState.UNKNOWN),
    int(DeliveryState.NOT_SENT),
)
NOT_TAKEN = Deferred("0x58", 1.0, throttled=True)


def late(world: World, frozen: ChunkLease, result: SubmitResult, first: int = 0, upto: int = 1) -> None:
    """The frozen holder comes back with this answer to some of its messages."""
    outcomes = [SubmitOutcome(item, result) for item in frozen.items[first:upto]]
    world.db.write(world.ledger.record, world.link, frozen, outcomes, None, 30.0)


def frozen_with(db: Database, declared: int, count: int = 2) -> tuple[World, ChunkLease]:
    """A holder that declared the first `declared` messages, and then nothing was heard of it."""
    world = build(db, count)
    world.fan_out()
    lease = world.claim("frozen", lease_s=0.0)
    assert lease
    db.write(world.ledger.record, world.link, lease, [], Reservation(declared + 1, declared), -1.0)
    return world, lease


def run_state(db: Database) -> str:
    return str(db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()))


def sent_again_and_lost(db: Database) -> tuple[World, ChunkLease]:
    """A person had line 2 sent again after its holder froze, and the answer to that was lost as well."""
    world, frozen = frozen_with(db, 2)
    heir = world.claim("heir")
    assert heir
    db.write(world.ledger.release, heir, 0.0)
    assert db.write(world.ledger.resend, [DeliveryKey(world.campaign, world.batch, 2)]) == 1
    again = world.claim("heir")
    assert again
    assert [item.seq for item in again.items] == [2]
    outcomes = [SubmitOutcome(again.items[0], Unknown("no answer in 15 s"))]
    db.write(world.ledger.record, world.link, again, outcomes, None, 30.0)
    db.write(world.ledger.release, again, 0.0)
    return world, frozen


@pytest.mark.longer
def test_not_sent_of_an_earlier_sending_has_nothing_sent_again(db: Database) -> None:
    world, frozen = sent_again_and_lost(db)
    late(world, frozen, NOT_TAKEN)
    assert world.states() == {U: 2} == world.tallied()
    assert world.claim("heir") is None
    assert verify(db, world.ledger, world.campaign) == []


@pytest.mark.longer
@pytest.mark.parametrize(
    "result", [Rejected("13", Reason.OTHER), Partial(("a", "b"), (1,), "13", Reason.OTHER)]
)
def test_a_refusal_of_an_earlier_sending_says_nothing_of_the_later_one(
    db: Database, result: SubmitResult
) -> None:
    world, frozen = sent_again_and_lost(db)
    late(world, frozen, result)
    assert world.states() == {U: 2} == world.tallied()
    late(world, frozen, result, 1, 2)  # line 3 was sent once only, by this very holder
    assert world.states()[U] == 1
    world.check()


@pytest.mark.longer
def test_what_was_taken_stays_taken_whichever_sending_it_was(db: Database) -> None:
    world, frozen = sent_again_and_lost(db)
    late(world, frozen, Accepted(("first",)))
    assert world.states() == {S: 1, U: 1} == world.tallied()
    assert [row.seq for row in db.read(lambda c: c.execute(select(unknowns)).all())] == [3]
    world.check()


@pytest.mark.longer
def test_a_late_not_sent_that_is_said_twice_has_one_sending_more(db: Database) -> None:
    """The commit's answer was lost, so it is repeated after another holder has sent the message."""
    world, frozen = frozen_with(db, 2)
    heir = world.claim("heir")
    assert heir
    db.write(world.ledger.release, heir, 0.0)
    late(world, frozen, NOT_TAKEN, 0, 2)
    assert world.states() == {Q: 2}
    again = world.claim("heir")
    assert again
    lost = [SubmitOutcome(item, Unknown("no answer in 15 s")) for item in again.items]
    db.write(world.ledger.record, world.link, again, lost, None, 30.0)
    db.write(world.ledger.release, again, 0.0)
    late(world, frozen, NOT_TAKEN, 0, 2)
    assert world.states() == {U: 2} == world.tallied()
    assert world.claim("heir") is None


def test_an_answer_whose_commit_is_repeated_leaves_alone_what_was_queued_again_since(db: Database) -> None:
    """The lease stands all the time; a person was quicker than the repetition."""
    world = build(db, 3)
    world.fan_out()
    lease = world.claim()
    assert lease
    record, lost = world.ledger.record, [SubmitOutcome(lease.items[0], Unknown("no answer in 15 s"))]
    db.write(record, world.link, lease, lost, None, 30.0)
    assert db.write(world.ledger.resend, [DeliveryKey(world.campaign, world.batch, 2)]) == 1
    db.write(record, world.link, lease, lost, None, 30.0)
    assert world.states() == {Q: 3} == world.tallied()
    db.write(record, world.link, lease, accepted(list(lease.items[1:])), None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    again = world.claim()
    assert again
    assert [item.seq for item in again.items] == [2]
    db.write(record, world.link, again, accepted(list(again.items), "again"), None, 30.0)
    assert world.states() == {S: 3} == world.tallied()
    world.check()


@pytest.mark.longer
def test_what_a_person_wrote_off_stays_so_and_its_run_stays_finished(db: Database) -> None:
    world, frozen = frozen_with(db, 2, 4)
    heir = world.claim("heir")
    assert heir
    db.write(world.ledger.record, world.link, heir, accepted(list(heir.items)), None, 30.0)
    db.write(world.ledger.release, heir, 0.0)
    db.write(world.ledger.apply, [receipt(world.link, f"m{item.seq}") for item in heir.items])
    keys = [DeliveryKey(world.campaign, world.batch, seq) for seq in (2, 3)]
    assert db.write(world.ledger.write_off, keys, "Lan") == 2
    for _ in range(2):
        db.write(sweeps.advance, world.ledger, 86_400_000)
    assert run_state(db) == RunState.FINISHED
    late(world, frozen, NOT_TAKEN, 0, 2)
    assert world.states()[U] == 2
    assert verify(db, world.ledger, world.campaign) == []


def test_an_acceptance_counts_though_a_person_wrote_its_message_off(db: Database) -> None:
    world, frozen = frozen_with(db, 2)
    assert world.claim("heir")
    keys = [DeliveryKey(world.campaign, world.batch, seq) for seq in (2, 3)]
    assert db.write(world.ledger.write_off, keys, "Lan") == 2
    db.write(world.ledger.record, world.link, frozen, accepted(list(frozen.items[:1])), None, 30.0)
    assert world.states() == {S: 1, U: 1} == world.tallied()
    db.write(world.ledger.apply, [receipt(world.link, f"m{frozen.items[0].seq}")])
    assert DeliveryState(int(str(world.delivery(2)["state"]))) == DeliveryState.DELIVERED
    world.check()
    assert verify(db, world.ledger, world.campaign) == []


def test_a_finished_run_takes_nothing_back_into_its_queue(db: Database) -> None:
    world, frozen = frozen_with(db, 2)
    assert world.claim("heir")
    db.write(lambda c: c.execute(update(runs).values(state=RunState.FINISHED.value)))
    late(world, frozen, NOT_TAKEN, 0, 2)
    assert world.states() == {U: 2} == world.tallied()


@pytest.mark.longer
def test_nothing_said_from_before_a_restore_has_anything_sent_again(db: Database) -> None:
    world, frozen = frozen_with(db, 2)
    db.write(world.ledger.mark_waiting_unknown, world.run, world.link.id, 20)
    late(world, frozen, NOT_TAKEN, 0, 2)
    assert world.states() == {U: 2} == world.tallied()


def lost_commit(db: Database) -> World:
    """Line 2 was answered, and the commit that recorded it is lost; its holder went on to the end."""
    world = build(db, 30, chunk=10)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, [], Reservation(11, 10), 30.0)
    db.write(world.ledger.record, world.link, lease, accepted(list(lease.items[1:])), None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    return world


@pytest.mark.longer
def test_a_lost_answer_of_a_chunk_handed_back_is_unknown_and_the_run_goes_on(db: Database) -> None:
    world = lost_commit(db)
    firsts = []
    while (lease := world.claim()) is not None and len(firsts) < 9:
        firsts.append(lease.first_seq)
        db.write(world.ledger.record, world.link, lease, [], Reservation(lease.last_seq, 10), 30.0)
        db.write(world.ledger.record, world.link, lease, accepted(list(lease.items)), None, 30.0)
        db.write(world.ledger.release, lease, 0.0)
    assert sorted(firsts) == [2, 12, 22]
    assert world.states() == {U: 1, S: 29} == world.tallied()
    assert verify(db, world.ledger, world.campaign) == []


@pytest.mark.longer
def test_a_lost_answer_of_a_chunk_handed_back_is_not_called_not_sent(db: Database) -> None:
    world = lost_commit(db)
    assert db.write(world.ledger.close_unsent, world.run, NotSent.CANCELLED, 10).left == 0
    assert world.states() == {U: 1, S: 9, N: 20} == world.tallied()
    world.check()


def test_a_receipt_that_moves_a_queued_one_while_its_run_is_closed_is_counted_once(db: Database) -> None:
    world = build(db, 3)
    world.fan_out()
    lease = world.claim()
    assert lease
    lost = [SubmitOutcome(item, Unknown("lost", (f"k{item.seq}",))) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, lost, None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    assert (
        db.write(world.ledger.resend, [DeliveryKey(world.campaign, world.batch, seq) for seq in (2, 3)]) == 2
    )
    applied, closing = threading.Event(), threading.Event()

    def receive() -> None:
        def work(connection: Connection) -> None:
            world.ledger.apply(connection, [receipt(world.link, "k2", phone=FIRST_PHONE)])
            applied.set()
            closing.wait(1.0)  # its commit takes its time

        db.write(work)

    receiver = threading.Thread(target=receive)
    receiver.start()
    assert applied.wait(10)
    if db.sqlite:
        closing.set()  # one writer: the other waits for its turn
    db.write(world.ledger.close_unsent, world.run, NotSent.CANCELLED, 10)
    receiver.join()
    assert world.states() == world.tallied()
    world.check()


def two_parts_of_which_one_has_failed(db: Database) -> World:
    """Queued again by a person; then a receipt says that a part of the first sending came to nothing."""
    world = build(db, 2)
    db.write(world.ledger.open_campaign, world.campaign)
    db.write(world.ledger.fan_out, world.run, world.batch, 2, 100)
    lease = world.claim()
    assert lease
    lost = [SubmitOutcome(item, Unknown("lost", (f"a{item.seq}", f"b{item.seq}"))) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, lost, None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    assert db.write(world.ledger.resend, [DeliveryKey(world.campaign, world.batch, 2)]) == 1
    db.write(world.ledger.apply, [receipt(world.link, "a2", ReceiptStatus.UNDELIVERED, reason=Reason.OTHER)])
    return world


@pytest.mark.longer
def test_the_answer_to_one_whose_first_sending_failed_in_part_is_written(db: Database) -> None:
    world = two_parts_of_which_one_has_failed(db)
    again = world.claim()
    assert again
    db.write(world.ledger.record, world.link, again, [], Reservation(2, 2), 30.0)
    outcomes = [SubmitOutcome(again.items[0], Accepted(("c", "d")))]
    db.write(world.ledger.record, world.link, again, outcomes, None, 30.0)
    db.write(world.ledger.release, again, 0.0)
    assert world.states() == {S: 1, U: 1} == world.tallied()
    kept = db.read(lambda c: c.execute(select(submissions.c.reference)).scalars().all())
    assert {"c", "d"} <= set(kept)
    assert db.read(lambda c: c.execute(select(chunks.c.state)).scalar_one()) == 2
    world.check()


@pytest.mark.longer
def test_closing_one_whose_first_sending_failed_in_part_keeps_the_figures(db: Database) -> None:
    world = two_parts_of_which_one_has_failed(db)
    assert db.write(world.ledger.close_unsent, world.run, NotSent.CANCELLED, 10).left == 0
    assert world.states() == {N: 1, U: 1} == world.tallied()
    world.check()

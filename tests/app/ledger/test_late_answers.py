"""Answers that come late, twice, or after a person has spoken: each moves only what its own sending made."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from app.core.states import DeliveryState, NotSent, RunState
from app.database.connection import Database
from app.database.models import runs
from app.dispatch import run_sweeps as sweeps
from app.ledger.contract import ChunkLease, DeliveryKey, Reservation, SubmitOutcome
from app.reports.verification.verify import verify
from carriers.contract import (
    Deferred,
    SubmitResult,
    Unknown,
)
from tests.app.world import World, accepted, build, receipt

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

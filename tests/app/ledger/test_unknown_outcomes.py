"""Decisions on what is unknown or was refused: of several chunks and batches at once, each by itself."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from app.core.states import ChunkState, DeliveryState
from app.database.connection import Database
from app.database.models import chunks, state_events, unknowns
from app.ledger.contract import DeliveryKey, StateEvent, SubmitOutcome
from carriers.contract import Deferred, Reason, Rejected, SubmitResult, Unknown
from tests.app.world import FIRST_PHONE, World, add_batch, build

Q, U, R = int(DeliveryState.QUEUED), int(DeliveryState.UNKNOWN), int(DeliveryState.REJECTED)


def two_batches(db: Database, result: SubmitResult) -> tuple[World, list[DeliveryKey]]:
    """Chunks of two messages in batches of five and three, all of them answered so; their keys."""
    world = build(db, 5, chunk=2)
    world.fan_out()
    other = db.write(add_batch, world.campaign, world.run, [FIRST_PHONE + 100 + n for n in range(3)])
    db.write(world.ledger.fan_out, world.run, other, 1, 10)
    while lease := world.claim():
        outcomes = [SubmitOutcome(item, result) for item in lease.items]
        db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
        db.write(world.ledger.release, lease, 0.0)
    keys = [DeliveryKey(world.campaign, world.batch, seq) for seq in range(2, 7)]
    return world, keys + [DeliveryKey(world.campaign, other, seq) for seq in range(2, 5)]


def rows(db: Database, table: Any) -> list[Any]:
    return list(db.read(lambda c: c.execute(select(table)).all()))


def events(db: Database, kind: StateEvent) -> list[Any]:
    return [row for row in rows(db, state_events) if row.kind == kind]


def claimed(world: World) -> set[tuple[int, int]]:
    """What is sent from now on, as (batch, line); each chunk in its second pass."""
    found = set()
    while lease := world.claim():
        assert lease.pass_no == 2
        found |= {(lease.batch_id, item.seq) for item in lease.items}
    return found


@pytest.mark.longer
def test_unknowns_of_many_chunks_and_batches_are_sent_again_and_no_other_one(db: Database) -> None:
    world, keys = two_batches(db, Unknown("no answer"))
    assert world.states() == {U: 8}
    left, again = keys[3], [key for key in keys if key != keys[3]]
    strange = [DeliveryKey(world.campaign, world.batch, 99), DeliveryKey(world.campaign, 77, 2)]
    assert db.write(world.ledger.resend, [*again, *strange]) == 7
    assert world.states() == {Q: 7, U: 1} == world.tallied()
    assert [row.seq for row in rows(db, unknowns)] == [left.seq]
    assert {row.state for row in rows(db, chunks)} == {ChunkState.READY}
    row = world.delivery(6)
    assert (row["resends"], row["faults"], row["submitted_at"], row["failed"]) == (1, 0, None, 0)
    assert (row["delivered"], row["relayed"], row["reason"], row["done_at"]) == (0, 0, 0, None)
    requeued = events(db, StateEvent.REQUEUED)
    assert len(requeued) == 7
    assert all(row.submitted_at and row.reason == 0 for row in requeued)
    assert claimed(world) == {(key.batch_id, key.seq) for key in again}
    world.check()


@pytest.mark.longer
def test_a_refusal_is_sent_again_by_its_reason_and_time_and_keeps_no_fault(db: Database) -> None:
    world, keys = two_batches(db, Rejected("11", Reason.FILTERED))
    at = int(str(world.delivery(6)["submitted_at"]))
    mine = [key for key in keys if key.seq == 6]
    refused = (world.ledger.resend_rejected, mine)
    assert db.write(*refused, Reason.NO_SUCH_NUMBER, at) == 0
    assert db.write(*refused, Reason.FILTERED, at - 1) == 0
    assert db.write(*refused, Reason.FILTERED, at) == 1
    row = world.delivery(6)
    assert (row["state"], row["reason"], row["resends"], row["failed"]) == (Q, 0, 0, 0)
    (event,) = events(db, StateEvent.REQUEUED)
    assert (event.reason, event.submitted_at) == (Reason.FILTERED, at)
    assert world.states() == {Q: 1, R: 7} == world.tallied()
    assert claimed(world) == {(world.batch, 6)}


@pytest.mark.longer
def test_what_a_carriers_trouble_had_refused_has_all_its_tries_again(db: Database) -> None:
    world = build(db, 1)
    world.fan_out()
    for _ in range(5):
        lease = world.claim()
        assert lease
        outcomes = [SubmitOutcome(lease.items[0], Deferred("0x08", counts=True))]
        db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
        db.write(world.ledger.release, lease, 0.0)
    row = world.delivery(2)
    assert (row["state"], row["faults"]) == (R, 5)
    key = DeliveryKey(world.campaign, world.batch, 2)
    by = int(str(row["submitted_at"]))
    assert db.write(world.ledger.resend_rejected, [key], Reason.SYSTEM, by) == 1
    assert world.delivery(2)["faults"] == 0


@pytest.mark.longer
def test_what_is_written_off_names_who_did_it_and_leaves_the_others(db: Database) -> None:
    world, keys = two_batches(db, Unknown("no answer"))
    some = [keys[0], keys[2], keys[6]]
    assert db.write(world.ledger.write_off, some, "an officer") == 3
    assert db.write(world.ledger.write_off, [*some, keys[1]], "another") == 1
    listed = {(row.batch_id, row.seq): row.written_off_by for row in rows(db, unknowns)}
    assert len(listed) == 8
    assert {key: by for key, by in listed.items() if by} == {
        (keys[0].batch_id, 2): "an officer",
        (keys[2].batch_id, 4): "an officer",
        (keys[6].batch_id, 3): "an officer",
        (keys[1].batch_id, 3): "another",
    }
    said = {(row.reason, row.submitted_at) for row in events(db, StateEvent.WRITTEN_OFF)}
    assert (len(events(db, StateEvent.WRITTEN_OFF)), said) == (4, {(0, None)})
    world.check()


@pytest.mark.longer
def test_an_order_for_nothing_changes_nothing(db: Database) -> None:
    world, _ = two_batches(db, Unknown("no answer"))
    assert db.write(world.ledger.resend, []) == db.write(world.ledger.write_off, [], "an officer") == 0
    assert world.states() == {U: 8}

"""Decisions on what is unknown or was refused: of several chunks and batches at once, each by itself."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import state_events, unknowns
from app.ledger.contract import DeliveryKey, StateEvent, SubmitOutcome
from carriers.contract import SubmitResult, Unknown
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

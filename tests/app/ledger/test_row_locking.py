"""Who waits for whom on PostgreSQL, where several processes write at the same time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, insert

from app.core.states import RunState
from app.database.connection import Database
from app.database.models import run_batches
from app.ledger.contract import ChunkLease
from app.ledger.row_locking import lock_batches, lock_chunk, lock_lines, lock_run_state, lock_runs
from tests.app.at_once import while_open
from tests.app.world import FIRST_PHONE, World, add_batch, build

Lock = Callable[[Connection, World, ChunkLease], object]
LOCKS: dict[str, Lock] = {
    "runs": lambda c, world, _: lock_runs(c, [world.run]),
    "batches": lambda c, world, _: lock_batches(c, [world.batch]),
    "chunk": lambda c, _, lease: lock_chunk(c, lease),
    "lines": lambda c, _, lease: lock_lines(c, lease, [2, 3]),
    "state": lambda c, world, _: lock_run_state(c, world.run),
}


@pytest.fixture
def database_url(new_postgresql_url: str) -> str:
    return new_postgresql_url


@pytest.fixture
def leased(db: Database) -> tuple[World, ChunkLease]:
    world = build(db, 2)
    world.fan_out()
    lease = world.claim()
    assert lease
    return world, lease


@pytest.mark.parametrize(
    ("first", "second", "waits"),
    [
        *((name, name, True) for name in ("runs", "batches", "chunk", "lines")),
        *(("state", "runs", True), ("runs", "state", True), ("state", "state", False)),
        *(("runs", "batches", False), ("chunk", "lines", False), ("lines", "runs", False)),
    ],
)
def test_the_second_waits_for_the_first_if_it_is_about_the_same(
    db: Database, leased: tuple[World, ChunkLease], first: str, second: str, waits: bool
) -> None:
    def then() -> None:
        db.write(LOCKS[second], *leased)

    assert while_open(db, lambda c: LOCKS[first](c, *leased), then) == waits


@pytest.mark.parametrize("lock", ["runs", "batches"])
def test_rows_that_refer_to_what_is_locked_are_added_meanwhile(
    db: Database, leased: tuple[World, ChunkLease], lock: str
) -> None:
    world, _ = leased
    other = db.write(lambda c: add_batch(c, world.campaign, world.run, [FIRST_PHONE + 9]))
    db.write(lambda c: c.execute(run_batches.delete().where(run_batches.c.batch_id == other)))
    row = {"run_id": world.run, "campaign_id": world.campaign, "batch_id": other}

    def lock_both(connection: Connection) -> None:
        if lock == "runs":
            lock_runs(connection, [world.run])
        else:
            lock_batches(connection, [other])

    def add() -> None:
        db.write(lambda c: c.execute(insert(run_batches).values(row)))

    assert not while_open(db, lock_both, add)


def test_the_state_that_is_kept_is_told(db: Database, leased: tuple[World, ChunkLease]) -> None:
    assert db.write(lock_run_state, leased[0].run) is RunState.RUNNING

"""What a dead process may have sent is unknown soon, also where no link claims: paused, halted, no budget."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select, update
from structlog.testing import capture_logs

from app.core.states import DeliveryState, RunState
from app.database.connection import Database, shared_ms
from app.database.models import chunks, links, runs, unknowns
from app.dispatch.run_sweeps import expire_leases
from app.ledger.contract import ChunkLease, Reservation
from app.ledger.ledger import LEASE_GRACE_MS
from tests.app.world import World, accepted, aside, build

Q, S, U = DeliveryState.QUEUED, DeliveryState.SUBMITTED, DeliveryState.UNKNOWN


@pytest.fixture
def world(db: Database) -> World:
    """Thirty subscribers in three chunks; a holder has reserved four of the first."""
    world = build(db, 30, chunk=10)
    world.fan_out()
    return world


def reserved(world: World, count: int = 4) -> ChunkLease:
    lease = world.claim("dead")
    assert lease
    upto = lease.items[count - 1].seq
    assert world.db.write(world.ledger.record, world.link, lease, [], Reservation(upto, count), 30.0).go
    return lease


def over_since(world: World, ms: int) -> None:
    """Let every lease have ended so long ago."""

    def work(c: Connection) -> None:
        leased = update(chunks).where(chunks.c.lease_until.is_not(None))
        c.execute(leased.values(lease_until=shared_ms(c) - ms))

    world.db.write(work)


def become(world: World, state: RunState) -> None:
    world.db.write(lambda c: c.execute(update(runs).values(state=state.value)))


async def look(world: World) -> dict[int, int]:
    await expire_leases(world.db, world.ledger, aside(world.db))
    world.check()
    return world.states()


@pytest.mark.longer
@pytest.mark.parametrize("state", [RunState.PAUSED, RunState.RUNNING])
async def test_what_a_dead_holder_had_reserved_is_unknown_and_the_rest_stays_queued(
    world: World, state: RunState
) -> None:
    lease = reserved(world)
    become(world, state)
    over_since(world, LEASE_GRACE_MS + 1)
    with capture_logs() as logs:
        assert await look(world) == {Q: 26, U: 4}
    assert [(each["event"], each["n"]) for each in logs] == [
        ("deliveries of a process that ended became unknown", 4)
    ]
    listed = world.db.read(lambda c: c.execute(select(unknowns.c.seq, unknowns.c.why)).all())
    assert {seq for seq, _ in listed} == {item.seq for item in lease.items[:4]}
    assert {why for _, why in listed} == {"the process that was sending it stopped"}
    assert await look(world) == {Q: 26, U: 4}  # once


@pytest.mark.longer
async def test_a_holder_that_was_only_slow_settles_its_own_and_sends_nothing_more(world: World) -> None:
    lease = reserved(world)
    become(world, RunState.PAUSED)
    over_since(world, LEASE_GRACE_MS + 1)
    await look(world)
    become(world, RunState.RUNNING)
    record, rest = world.ledger.record, Reservation(lease.last_seq, 6)
    grant = world.db.write(record, world.link, lease, accepted(list(lease.items[:4])), rest, 30.0)
    assert (grant.held, grant.go) == (False, False)
    assert world.states() == {Q: 26, S: 4}
    assert not world.db.write(world.ledger.renew, lease, 30.0)
    again = world.claim("other")
    assert again
    assert [item.seq for item in again.items] == [item.seq for item in lease.items[4:]]


@pytest.mark.longer
async def test_a_lease_that_has_just_ended_is_left_to_a_link(world: World) -> None:
    reserved(world)
    become(world, RunState.PAUSED)
    over_since(world, LEASE_GRACE_MS - 5_000)
    assert await look(world) == {Q: 30}


@pytest.mark.parametrize("state", [RunState.CANCELLING, RunState.SENT, RunState.CANCELLED])
async def test_a_run_that_is_closed_has_sweeps_of_its_own(world: World, state: RunState) -> None:
    reserved(world)
    become(world, state)
    over_since(world, LEASE_GRACE_MS + 1)
    assert await look(world) == {Q: 30}


@pytest.mark.longer
async def test_who_holds_a_lease_keeps_it_and_who_reserved_nothing_leaves_nothing(world: World) -> None:
    lease = reserved(world)
    assert await look(world) == {Q: 30}
    assert world.db.write(world.ledger.renew, lease, 30.0)
    assert world.claim("idle")
    over_since(world, LEASE_GRACE_MS + 1)
    assert world.db.write(world.ledger.renew, lease, 30.0)
    assert await look(world) == {Q: 30}
    owners = world.db.read(lambda c: set(c.execute(select(chunks.c.owner)).scalars()))
    assert owners == {"dead", None}


@pytest.mark.longer
async def test_a_halted_link_hides_nothing(world: World) -> None:
    reserved(world)
    world.db.write(lambda c: c.execute(update(links).values(state="halted")))
    over_since(world, LEASE_GRACE_MS + 1)
    assert await look(world) == {Q: 26, U: 4}

"""What a carrier says of when is kept where it can be; a receipt counts all the same where it can't."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from app.core import clock
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import receipts
from app.ledger.contract import Arrival
from tests.app.world import World, accepted, build, receipt


@pytest.fixture
def world(db: Database) -> World:
    """One message, sent."""
    made = build(db, 1)
    made.fan_out()
    lease = made.claim()
    assert lease
    db.write(made.ledger.record, made.link, lease, accepted(lease.items), None, 30.0)
    return made


def delivered(world: World, at: datetime) -> None:
    """Apply a receipt that states this time."""
    link, said = receipt(world.link, "m2")[:2]
    assert world.db.write(world.ledger.apply, [Arrival(link, said._replace(done_at=at))]).matched == 1
    assert world.delivery(2)["state"] == DeliveryState.DELIVERED


@pytest.mark.parametrize("year", [1, 9999])
def test_a_receipt_with_a_time_that_can_not_be_counts_without_it(world: World, year: int) -> None:
    delivered(world, datetime(year, 1, 1, tzinfo=clock.VIETNAM))
    assert world.db.read(lambda c: c.execute(select(receipts.c.done_at)).scalars().all()) == [None]
    world.check()


@pytest.mark.parametrize(("minutes", "kept"), [(5, True), (11, False), (21 * 24 * 60, False)])
def test_nothing_is_received_in_the_future(world: World, minutes: int, kept: bool) -> None:
    """A clock may be ten minutes fast; what is stated beyond that is not the day on which anybody got it."""
    delivered(world, clock.now() + timedelta(minutes=minutes))
    assert (world.delivery(2)["done_at"] > clock.now_ms()) is kept
    world.check()

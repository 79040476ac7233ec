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
from tests.app.world import accepted, build, receipt


@pytest.mark.parametrize("year", [1, 9999])
def test_a_receipt_with_a_time_that_can_not_be_counts_without_it(db: Database, year: int) -> None:
    world = build(db, 1)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    link, said = receipt(world.link, "m2")[:2]
    at = datetime(year, 1, 1, tzinfo=clock.VIETNAM)
    assert db.write(world.ledger.apply, [Arrival(link, said._replace(done_at=at))]).matched == 1
    assert world.delivery(2)["state"] == DeliveryState.DELIVERED
    assert db.read(lambda c: c.execute(select(receipts.c.done_at)).scalars().all()) == [None]
    world.check()


@pytest.mark.parametrize(("minutes", "kept"), [(5, True), (11, False), (21 * 24 * 60, False)])
def test_nothing_is_received_in_the_future(db: Database, minutes: int, kept: bool) -> None:
    """A clock may be ten minutes fast; what is stated beyond that is not the day on which anybody got it."""
    world = build(db, 1)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    link, said = receipt(world.link, "m2")[:2]
    at = clock.now() + timedelta(minutes=minutes)
    assert db.write(world.ledger.apply, [Arrival(link, said._replace(done_at=at))]).matched == 1
    found = world.delivery(2)
    assert found["state"] == DeliveryState.DELIVERED
    assert (found["done_at"] > clock.now_ms()) is kept
    world.check()

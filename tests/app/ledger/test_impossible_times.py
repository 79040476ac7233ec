"""What a carrier says of when is kept where it can be; a receipt counts all the same where it can't."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from app.core import clock
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import receipts
from app.ledger.contract import Arrival, Link
from app.ledger.receipt_matching import said
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
    link, given = receipt(world.link, "m2")[:2]
    assert world.db.write(world.ledger.apply, [Arrival(link, given._replace(done_at=at))]).matched == 1
    assert world.delivery(2)["state"] == DeliveryState.DELIVERED


@pytest.mark.parametrize("year", [1, 9999])
def test_a_receipt_with_a_time_that_can_not_be_counts_without_it(world: World, year: int) -> None:
    delivered(world, datetime(year, 1, 1, tzinfo=clock.VIETNAM))
    assert world.db.read(lambda c: c.execute(select(receipts.c.done_at)).scalars().all()) == [None]
    world.check()


@pytest.mark.parametrize(("minutes", "stated"), [(5, True), (11, False), (21 * 24 * 60, False)])
def test_nothing_is_received_in_the_future(world: World, minutes: int, stated: bool) -> None:
    """A clock may be fast, but what it states is not when anybody got the message."""
    delivered(world, clock.now() + timedelta(minutes=minutes))
    assert world.delivery(2)["done_at"] <= clock.now_ms()
    (kept,) = world.db.read(lambda c: c.execute(select(receipts.c.done_at)).scalars().all())
    assert (kept is not None) is stated
    world.check()


AHEAD = [(600_001, None), (600_000, 0), (1000, 0), (1, 0), (0, 0), (-1, -1)]


@pytest.mark.parametrize(("ahead_ms", "kept"), AHEAD)
def test_the_present_is_the_latest_time_that_a_receipt_can_state(ahead_ms: int, kept: int | None) -> None:
    now = 1_700_000_000_000
    arrival = receipt(Link(1, "viettel-1", "viettel", 1), "m2")
    given = arrival.receipt._replace(done_at=clock.from_ms(now + ahead_ms))
    assert said(arrival._replace(receipt=given), now).done_at == (None if kept is None else now + kept)

"""The end of the sending hours: what was reserved by then, and has not begun, waits for the next day."""

from __future__ import annotations

import pytest

from app.core import clock
from app.core.states import DeliveryState
from app.database.connection import Database
from tests.app.dispatch.paper import PaperCarrier, loop_for, until
from tests.long.app.dispatch.test_send_loop import leased, ready, running

Q, S = int(DeliveryState.QUEUED), int(DeliveryState.SUBMITTED)


@pytest.mark.parametrize("places", [1, 1_000_000])
async def test_what_is_reserved_is_not_begun_after_the_sending_hours(db: Database, places: int) -> None:
    """A half of 20 at 4/s lasts five seconds, and what waits for a place at the carrier longer."""
    world, carrier = ready(db, 40, rate=4.0), PaperCarrier(segments_per_second=4, delay_s=0.3)
    carrier.places = places
    await carrier.open()
    world.rewrite(window_end=clock.now_ms() + 2500)
    closes = clock.monotonic() + 2.5
    async with running(loop_for(world, carrier, sub_batch=40)):
        await until(lambda: clock.monotonic() > closes and leased(db) == 0)
    assert carrier.arrivals
    assert max(carrier.arrivals) < closes
    assert world.states() == {S: len(carrier.arrivals), Q: 40 - len(carrier.arrivals)}
    world.check()

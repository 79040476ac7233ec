"""A link whose window is narrow: what waits for it neither outruns the rate nor is claimed in vain."""

from __future__ import annotations

from dataclasses import replace

from app.database.connection import Database
from tests.app.dispatch.paper import PaperCarrier, loop_for, until
from tests.long.app.dispatch.test_send_loop import ready, running


async def test_what_waited_for_a_narrow_window_does_not_go_in_one_burst_when_it_opens(db: Database) -> None:
    world, carrier = ready(db, 400, rate=100.0), PaperCarrier(delay_s=0.1)
    carrier.limits = replace(carrier.limits, segments_per_second=100.0)
    carrier.places = 1
    await carrier.open()
    async with running(loop_for(world, carrier, sub_batch=200)):
        await until(lambda: len(carrier.arrivals) >= 8)
        await carrier.widen(1000)
        await until(lambda: len(carrier.arrivals) >= 150)
    first = carrier.arrivals[0]
    ahead = [number - 100 * (at - first) for number, at in enumerate(carrier.arrivals)]
    assert max(ahead) <= 5
    after = [at - first for at in carrier.arrivals]
    fullest = max(sum(at <= each < at + 0.5 for each in after) for at in after)
    assert fullest <= 50 + 8
    world.check()

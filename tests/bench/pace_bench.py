"""How evenly a link's rate is held on the wire: arrivals at the simulator in every window of a second."""

from __future__ import annotations

import asyncio
import gc
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from app.database.connection import Database
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.world import build
from tests.bench.machinery import fresh_home
from tests.faults.processes import Home, smpp_link

RATE = 200
ROUND_TRIP_S = 0.1
_BEHAVIOUR = SmscBehaviour(answer_delay_s=ROUND_TRIP_S, receipt_delay_s=0.5, receipt_window=2000)


@dataclass(frozen=True, slots=True)
class Held:
    """Arrivals in the fullest and in the emptiest second, and in the mean of all."""

    most: int
    least: int
    mean: float
    early_ms: float  # the most that an arrival was ahead of the rate, counted from the first


def held(arrivals: Sequence[float], rate: float = RATE) -> Held:
    """Every window of one second that begins with an arrival, as far as there are whole ones."""
    whole = bisect_left(arrivals, arrivals[-1] - 1.0)
    counts = [bisect_left(arrivals, start + 1.0) - number for number, start in enumerate(arrivals[:whole])]
    ahead = max(number / rate - (moment - arrivals[0]) for number, moment in enumerate(arrivals))
    mean = (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])
    return Held(max(counts), min(counts), mean, 1000 * ahead)


def pace(engine: str, workers: int, seconds: float) -> Held:
    """Real workers that share one link's rate, for so long; nothing but them keeps the carrier waiting."""
    with fresh_home(engine) as home:
        gc.disable()
        try:
            return asyncio.run(arrivals_at(home, workers, seconds))
        finally:
            gc.enable()


async def arrivals_at(home: Home, workers: int, seconds: float) -> Held:
    """Start the workers on a queue that lasts, and look at the wire once all of them are bound."""
    db = Database(home.url)
    world = build(db, round(RATE * (seconds + 10)), chunk=100)
    world.fan_out()
    db.close()
    try:
        async with Smsc(_BEHAVIOUR) as smsc:
            link = smpp_link("viettel", smsc.port, segments_per_second=RATE, window=200)
            home.configure({"viettel-1": link})
            for _ in range(workers):
                home.sender()
            await home.until(lambda: smsc.binds() == workers, "all are bound")
            await home.until(lambda: smsc.taken() >= RATE, "a second's worth is sent")
            arrivals = smsc.arrivals()
            await home.until(lambda: len(arrivals) >= RATE * seconds, "as much as asked for")
            return held(arrivals[:])
    finally:
        home.end()

"""When a carrier got its messages, told apart from when a busy test process came to read them."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_TICK_S = 0.002


@dataclass(slots=True)
class Watch:
    """How long this process's loop was kept from its sockets, and when."""

    moments: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)

    def before(self, moment: float) -> float:
        """By how much something read at that moment may have come earlier."""
        nth = bisect_left(self.moments, moment)
        return max(self.late_s[max(0, nth - 2) : nth + 2], default=0.0)

    def surplus(self, arrivals: Sequence[float], rate: float) -> float:
        """How many more than the rate came in the fullest second.

        A second may hold as much more as this process was late in reading what came before it.
        """
        over = (
            bisect_left(arrivals, start + 1.0) - nth - rate * (1.0 + self.before(start))
            for nth, start in enumerate(arrivals)
        )
        return max(over, default=0.0)

    async def run(self) -> None:
        """Look at the clock again and again."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(_TICK_S)
            now = loop.time()
            self.moments.append(now)
            self.late_s.append(now - last)
            last = now


@asynccontextmanager
async def watched() -> AsyncIterator[Watch]:
    """A watch that runs meanwhile."""
    watch = Watch()
    running = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        running.cancel()

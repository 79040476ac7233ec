"""Many delayed calls on one timer, so that a message costs an append instead of a timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, TypeVar

T = TypeVar("T")
TICK_S = 0.005


class TimerWheel:
    """Calls are grouped in ticks of 5 ms and run in the order in which they were scheduled."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ticks: list[int] = []
        self._buckets: dict[int, list[tuple[Callable[[Any], object], Any]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.newest_first = False

    def call(self, delay_s: float, action: Callable[[T], object], argument: T) -> None:
        """Call action(argument) in `delay_s` seconds, never sooner."""
        tick = int((self._loop.time() + delay_s) / TICK_S) + 1
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = []
            heappush(self._ticks, tick)
            if self._ticks[0] == tick:
                self._schedule()
        bucket.append((action, argument))

    def close(self) -> None:
        self._ticks.clear()
        self._buckets.clear()
        self._schedule()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ticks:
            self._timer = self._loop.call_at(self._ticks[0] * TICK_S, self._run)

    def _run(self) -> None:
        # asyncio may fire a timer early by its clock's resolution; without the tolerance this would spin.
        now = int((self._loop.time() + 1e-6) / TICK_S)
        while self._ticks and self._ticks[0] <= now:
            bucket = self._buckets.pop(heappop(self._ticks))
            for action, argument in reversed(bucket) if self.newest_first else bucket:
                action(argument)
        self._schedule()

"""A small recurring work of the worker: at once while there is more to do, else now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Sweep:
    """Does `step` over and over until stop(); step: whether there is more to do at once.

    Each sweep has a task of its own, so that a long one keeps none of the others waiting. Every step is safe
    to do twice, and in several processes at once.
    """

    name: str
    step: Callable[[], Awaitable[bool]]
    every_s: float = 1.0
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False

    async def run(self) -> None:
        """Ends only after stop()."""
        while not self._stopping:
            self.wake.clear()
            if self._stopping or await self.step():
                continue
            try:
                await asyncio.wait_for(self.wake.wait(), self.every_s)
            except TimeoutError:
                continue

    def stop(self) -> None:
        """Begin no further step."""
        self._stopping = True
        self.wake.set()

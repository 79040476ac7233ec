"""Until when a message may be written to the wire: the end of its lease, or the word of whoever stops."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def since_boot() -> float:
    """Seconds on a clock that never jumps, and that goes on while the machine is suspended: for deadlines."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Permit:
    """Until when (`since_boot`) messages may be written to the wire; looked at again right before that.

    Whoever hands messages over prolongs it with its own lease. Withdrawn, it brings back at once what was not
    written; of a long message whose first part was written the others still go, as long as the time lasts.
    """

    __slots__ = ("_listeners", "until", "withdrawn")

    def __init__(self, until: float = math.inf) -> None:
        self.until = until
        self.withdrawn = False
        self._listeners: list[Callable[[], object]] = []

    @property
    def lasts(self) -> bool:
        """Whether its time is not over."""
        return since_boot() < self.until

    @property
    def stands(self) -> bool:
        """Whether a message may be written now."""
        return not self.withdrawn and self.lasts

    def withdraw(self) -> None:
        """Nothing more may be begun; whoever keeps messages back gives them back now."""
        self.withdrawn = True
        for listener in tuple(self._listeners):
            listener()

    @contextmanager
    def told(self, listener: Callable[[], object]) -> Iterator[None]:
        """Meanwhile `listener` is called when the permit is withdrawn."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

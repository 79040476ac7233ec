"""Until when a message may be written to the wire: the end of its lease or the sending hours, or a stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def since_boot() -> float:
    """Return seconds on a clock that never jumps and keeps running during suspend; used for deadlines."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Permit:
    """Until when (`since_boot`) messages may be written; checked again right before each write.

    The send loop prolongs it together with its lease. No message is started at `closes`, the end of the
    sending hours, or later. When it is withdrawn, unwritten messages are returned at once; the remaining
    parts of a long message whose first part was written still go while the time lasts.
    """

    __slots__ = ("_listeners", "closes", "until", "withdrawn")

    def __init__(self, until: float = math.inf, closes: float = math.inf) -> None:
        self.until = until
        self.closes = closes
        self.withdrawn = False
        self._listeners: list[Callable[[], object]] = []

    @property
    def lasts(self) -> bool:
        return since_boot() < self.until

    @property
    def stands(self) -> bool:
        """Whether a message may be started now."""
        if self.withdrawn:
            return False
        now = since_boot()
        return now < self.until and now < self.closes

    def withdraw(self) -> None:
        """Allow nothing more to be started, and have queued messages returned now."""
        self.withdrawn = True
        for listener in tuple(self._listeners):
            listener()

    @contextmanager
    def when_withdrawn(self, listener: Callable[[], object]) -> Iterator[None]:
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

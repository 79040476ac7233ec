"""How fast runs send now: the difference between two looks at their counts, kept in this process."""

from __future__ import annotations

from collections import deque
from threading import Lock

from app import clock

_SPAN_S = 60.0  # what "now" means
_LEAST_S = 0.9


class Pulse:
    """Remembers what was sent at each look of the last minute; whoever looks feeds it."""

    def __init__(self) -> None:
        self._looks: dict[int, deque[tuple[float, int]]] = {}
        self._lock = Lock()

    def rate(self, run_id: int, sent: int) -> float | None:
        """Units sent per second since the oldest look of the last minute; None where this is the first."""
        now = clock.monotonic()
        with self._lock:
            looks = self._looks.setdefault(run_id, deque())
            if not looks or now - looks[-1][0] >= _LEAST_S:
                looks.append((now, sent))
            # The last one before the span stays: with looks that are far apart there is nothing nearer.
            while len(looks) > 1 and now - looks[1][0] > _SPAN_S:
                looks.popleft()
            begun, before = looks[0]
        return max(sent - before, 0) / (now - begun) if now - begun >= _LEAST_S else None

    def forget(self, run_id: int) -> None:
        """The run does not send any more."""
        with self._lock:
            self._looks.pop(run_id, None)

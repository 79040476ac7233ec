"""How many submits of a bind may be in flight: one after a bind, then more with each answer.

A submit that times out without any answer since it was sent keeps its place, so a message centre that answers
nothing is sent one window and no more. Then single messages probe whether it answers again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Window:
    """The window of one bind; times are the event loop's.

    size: the contract's maximum; first_s, longest_s: pauses between probes of a probing window.
    """

    size: int
    first_s: float
    longest_s: float
    allowed: int = 1
    answers: int = 0  # of submits, since the bind
    unanswered: int = 0  # timed out, without any answer since they were sent
    probing: bool = False
    unanswered_since: float | None = None  # when the first of them was sent
    _answered_at: float = -math.inf
    _pause_s: float = 0.0
    _probe_at: float = 0.0

    def room(self, in_flight: int, now: float) -> int:
        if self.probing:
            return int(not in_flight and now >= self._probe_at)
        return self.allowed - self.unanswered - in_flight

    def sent(self) -> None:
        """Note a write; on a probing window it is a probe, and the next one waits longer."""
        if self.probing:
            self._pause_s = min(2 * self._pause_s, self.longest_s)

    def answered(self, count: int, now: float) -> None:
        """Note answers to submits; the window grows by each, doubling every round trip."""
        if self.probing:
            self.probing, self.allowed = False, 1
        self.answers += count
        self.unanswered, self.unanswered_since = 0, None
        self.allowed = min(self.size, self.allowed + count)
        self._answered_at = now

    def given_up(self, sent_at: float, now: float) -> None:
        """Note a submit that timed out; it keeps its place only if no answer came after it was sent.

        Such an answer may have been the last, though: if the silence since then is the longer part of the
        submit's time, shrink the window to two. One may be in flight already; the second one decides.
        """
        if sent_at >= self._answered_at:
            self.unanswered += 1
            self.unanswered_since = self.unanswered_since or sent_at
        elif now - self._answered_at > self._answered_at - sent_at:
            self.allowed = min(self.allowed, 2)
        self._probe_at = now + self._pause_s

    def waits_since(self, oldest: float | None) -> float | None:
        """Return since when messages wait without an answer; oldest: when the oldest in flight was sent."""
        if oldest is None or self.unanswered_since is not None:
            return self.unanswered_since
        return max(oldest, self._answered_at)

    def begins_to_hold(self, in_flight: int, now: float) -> bool:
        """Whether two (or all allowed) are unanswered, so that the window begins to probe."""
        if self.probing or not self.unanswered or min(self.allowed, 2) > self.unanswered + in_flight:
            return False
        self.probing, self._pause_s = True, self.first_s
        self._probe_at = now + self.first_s
        return True

"""Pace a link: slices of a half at their reserved times, slower when the carrier throttles.

The times are reserved for all processes of a link together, in its row of `link_pace`: `reserve` in
app/ledger/engines/, called by `record` in app/ledger/submit_results.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from app.core import clock
from app.ledger.contract import SLOWEST, DeliveryToSend
from carriers.contract import Deferred

# Balances halving each second, so a link that is always throttled stays at SLOWEST.
_CLIMB_PER_S = SLOWEST / 2
_SLICE_S = 0.005
# Below the contract's rate, so that what a busy machine sends late does not overfill the next second.
_HEADROOM = 0.995
_SLACK_S = 0.003  # lateness up to this is made up for at once
_CATCH_UP = 0.9975  # share of the contract's rate at which the rest is made up for
_LATE_S = 0.01  # a slice later than this has missed its time
_SHORT_S = 0.05  # a half this short is over before anybody could reserve again
# The longest waits of a deferred message: short when throttled, since the pace itself comes down; long in a
# carrier's own trouble, which gets more time with each pass.
_LONGEST_WHEN_THROTTLED_S = 15.0
_LONGEST_IN_TROUBLE_S = 300.0
_SOON_S = 0.1
# A link whose share is hardly down refuses few answers by chance, not because we are too fast.
_HARDLY_DOWN, _FEW = 0.9, 0.1


def pause_s(result: Deferred, pass_no: int, *, rare: bool = False) -> float:
    """Return the seconds before the next pass: as the carrier asks, doubling with each pass up to a limit.

    A link that was down needs no wait once it is up again. rare: few of many were throttled, so retry soon.
    """
    if not (result.throttled or result.counts):
        return result.retry_after_s
    longest = _LONGEST_WHEN_THROTTLED_S if result.throttled else _LONGEST_IN_TROUBLE_S
    first = _SOON_S if rare and result.throttled else 1.0
    return max(result.retry_after_s, min(first * 2.0 ** min(pass_no - 1, 20), longest))


@dataclass(slots=True)
class Slot:
    """The time on the wire that a half has reserved, at a rate (monotonic seconds)."""

    start: float
    end: float

    @classmethod
    def of(cls, start: float, segments: int, rate: float) -> Slot:
        return cls(start, start + segments / rate)

    @property
    def is_long(self) -> bool:
        """Whether lateness matters: the halves of fast links are over before anybody else's begin."""
        return self.end - self.start > _SHORT_S

    def overrun(self, after: float) -> bool:
        """Return whether what was due `after` the start has no time left; shift late slices within the slot.

        The time after the slot is reserved by others, and catching up would exceed the rate.
        """
        late = clock.monotonic() - self.start - after
        if late > _LATE_S and self.is_long:
            self.start += late
        return self.start + after > self.end + _LATE_S


@dataclass(slots=True)
class ThrottleShare:
    """The share of the contract's rate that the carrier bears now.

    Once a second it falls by the part of the answers that were throttled, by half at most, and climbs a
    little. So a carrier that takes three quarters of the rate soon gets about that, while random refusals of
    two messages in a hundred cost two in a hundred, not the pace. A half starts at the size of one call and
    doubles, like a congestion window.
    """

    segments_per_second: float
    share: float = 1.0
    most: float = 1.0  # the share of the run that was claimed last; at least SLOWEST
    per_submit: int = 1
    _since: float = field(default_factory=clock.monotonic)
    _answers: int = 0
    _throttled: int = 0
    _fits: int = 1  # segments that a half can send within its reserved time
    _free: float = 0.0  # when this process may hand over the next segment (monotonic)

    @property
    def now(self) -> float:
        return min(self.share, self.most)

    @property
    def rate(self) -> float:
        """Segments a second at which the next half is reserved and sent."""
        return self.segments_per_second * self.now * _HEADROOM

    async def turn(self, at: float) -> None:
        """Wait for the reserved time `at`, and until what went before has had its time on the wire."""
        await asyncio.sleep(max(at, self._free) - clock.monotonic())

    def spend(self, at: float, segments: int, rate: float) -> None:
        """Account for segments that are handed over now and were reserved for `at`."""
        quickest = rate / _HEADROOM * _CATCH_UP
        self._free = max(at, self._free, clock.monotonic() - _SLACK_S) + segments / quickest

    def heard(self, answers: int, throttled: int) -> None:
        """Count answers and how many of them were throttled; adjust the share once a second."""
        self._answers += answers
        self._throttled += throttled
        seconds = clock.monotonic() - self._since
        if seconds >= 1.0 and self._answers:
            down = max(0.5, 1 - self._throttled / self._answers)
            self.share = min(1.0, self.share * down + _CLIMB_PER_S * seconds)
            self._since, self._answers, self._throttled = clock.monotonic(), 0, 0

    def refuses_by_chance(self, answers: int, throttled: int) -> bool:
        return self.share >= _HARDLY_DOWN and throttled <= max(1, _FEW * answers)

    def went(self, segments: int, *, is_whole: bool) -> None:
        """Note how many segments a half sent in its time; twice as many may follow if that was all of it."""
        if not is_whole:
            self._fits = segments
        elif self._fits < segments * 2:
            self._fits = segments * 2

    def sub_batch(self, half: int) -> int:
        """Return how many segments to reserve: up to `half`, half a second's worth, and what fits."""
        fits = max(self._fits, self.per_submit)
        return max(1, min(half, int(self.segments_per_second * self.now / 2), fits))

    @staticmethod
    def slices(
        items: Sequence[DeliveryToSend], per_submit: int, rate: float
    ) -> Iterator[tuple[float, Sequence[DeliveryToSend]]]:
        """Yield (seconds after the first, items): about 5 ms' worth for each call of the carrier."""
        size = max(per_submit, int(rate * _SLICE_S))
        after, start = 0.0, 0
        while start < len(items):
            stop = start + max(1, size // items[start].segments)
            some = items[start:stop]
            yield after, some
            after += sum(item.segments for item in some) / rate
            start = stop

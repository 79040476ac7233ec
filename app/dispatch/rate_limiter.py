"""How fast: slices of a sub-batch on their reserved times, more slowly when the carrier throttles."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from app.core import clock
from app.ledger.contract import SLOWEST, DeliveryToSend
from carriers.contract import Deferred

# Halved each second, a link that is refused all the time stays at SLOWEST.
_CLIMB_PER_S = SLOWEST / 2
_SLICE_S = 0.005
# Kept below the contract's rate, so that what a busy machine sends late does not overfill the next second.
_HEADROOM = 0.995
_SLACK_S = 0.003  # more lateness than this is not made up for at once
_CATCH_UP = 0.9975  # the rest only so fast, of the contract's rate
_LATE_S = 0.01  # after so much a slice has missed its time
_SHORT_S = 0.05  # halves of fast links are over before anybody could reserve again
# How long a deferred message waits at the most: while we are too fast the pace itself comes down; a carrier's
# own trouble is given more time with each pass.
_LONGEST_WHEN_THROTTLED_S = 15.0
_LONGEST_IN_TROUBLE_S = 300.0
_SOON_S = 0.1
# A link whose pace is hardly down refuses by chance, and not since we are too fast.
_HARDLY_DOWN, _FEW = 0.9, 0.1


def pause_s(result: Deferred, pass_no: int, *, rare: bool = False) -> float:
    """Seconds before the next pass: as the carrier asks, doubling with each pass.

    A link that was down has no reason to be waited for once it is up again. rare: throttled alone among many
    that were taken, so its turn comes soon.
    """
    if not (result.throttled or result.counts):
        return result.retry_after_s
    longest = _LONGEST_WHEN_THROTTLED_S if result.throttled else _LONGEST_IN_TROUBLE_S
    first = _SOON_S if rare and result.throttled else 1.0
    return max(result.retry_after_s, min(first * 2.0 ** min(pass_no - 1, 20), longest))


@dataclass(slots=True)
class Slot:
    """The time on the wire that a half has reserved: from `start` to `end`, at a rate (monotonic seconds)."""

    start: float
    end: float

    @classmethod
    def of(cls, start: float, segments: int, rate: float) -> Slot:
        """From `start` on, as long as so many segments take."""
        return cls(start, start + segments / rate)

    @property
    def is_long(self) -> bool:
        """Whether lateness within it would be seen: halves of fast links are over before anybody else's."""
        return self.end - self.start > _SHORT_S

    def overrun(self, after: float) -> bool:
        """Whether what was due `after` the start has no time left; what is late moves on within the slot.

        Others have reserved the time behind it, and to make up for lost time would outrun the rate.
        """
        late = clock.monotonic() - self.start - after
        if late > _LATE_S and self.is_long:
            self.start += late
        return self.start + after > self.end + _LATE_S


@dataclass(slots=True)
class ThrottleShare:
    """The share of the contract's rate that the carrier bears now.

    Once a second it comes down by the part of the answers that said "too fast", by half at the most, and
    climbs by a little. A carrier that takes three quarters of the rate is soon sent about that; one that
    refuses two messages in a hundred at random costs two in a hundred, not the pace.

    A half begins with what one call takes, as a window begins with one message.

    most: the share that the run which was claimed last may have; SLOWEST at the least.
    """

    segments_per_second: float
    share: float = 1.0
    most: float = 1.0
    per_submit: int = 1
    _since: float = field(default_factory=clock.monotonic)
    _answers: int = 0
    _throttled: int = 0
    _fits: int = 1  # segments that a half brings out within its reserved time
    _free: float = 0.0  # when this process may hand over the next segment (monotonic)

    @property
    def now(self) -> float:
        """The share of the contract's rate at which is sent now."""
        return min(self.share, self.most)

    @property
    def rate(self) -> float:
        """Segments a second at which the next half is reserved and sent."""
        return self.segments_per_second * self.now * _HEADROOM

    async def turn(self, at: float) -> None:
        """Wait for `at`, the reserved time, and until what went before has had its time on the wire."""
        await asyncio.sleep(max(at, self._free) - clock.monotonic())

    def spend(self, at: float, segments: int, rate: float) -> None:
        """So many segments, reserved for `at`, go now."""
        quickest = rate / _HEADROOM * _CATCH_UP
        self._free = max(at, self._free, clock.monotonic() - _SLACK_S) + segments / quickest

    def heard(self, answers: int, throttled: int) -> None:
        """So many answers came, and so many of them said that we are too fast."""
        self._answers += answers
        self._throttled += throttled
        seconds = clock.monotonic() - self._since
        if seconds >= 1.0 and self._answers:
            down = max(0.5, 1 - self._throttled / self._answers)
            self.share = min(1.0, self.share * down + _CLIMB_PER_S * seconds)
            self._since, self._answers, self._throttled = clock.monotonic(), 0, 0

    def refuses_by_chance(self, answers: int, throttled: int) -> bool:
        """Whether so many refusals among these answers are chance, and no reason to wait."""
        return self.share >= _HARDLY_DOWN and throttled <= max(1, _FEW * answers)

    def went(self, segments: int, *, is_whole: bool) -> None:
        """So many of a half's segments went in its time: twice as many may, if that was all of it."""
        if not is_whole:
            self._fits = segments
        elif self._fits < segments * 2:
            self._fits = segments * 2

    def sub_batch(self, half: int) -> int:
        """How many segments to declare at once: `half` a sub-batch, half a second's worth where slower, and
        no more than have their time while a narrow window or a busy machine makes them late.
        """
        fits = max(self._fits, self.per_submit)
        return max(1, min(half, int(self.segments_per_second * self.now / 2), fits))

    @staticmethod
    def slices(
        items: Sequence[DeliveryToSend], per_submit: int, rate: float
    ) -> Iterator[tuple[float, Sequence[DeliveryToSend]]]:
        """(seconds after the first, items): what goes to the carrier at once, about 5 ms' worth."""
        size = max(per_submit, int(rate * _SLICE_S))
        after, start = 0.0, 0
        while start < len(items):
            stop = start + max(1, size // items[start].segments)
            some = items[start:stop]
            yield after, some
            after += sum(item.segments for item in some) / rate
            start = stop

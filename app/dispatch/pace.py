"""How fast: slices of a sub-batch on their reserved times, more slowly when the carrier throttles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from app import clock
from app.ledger.contract import Item
from carriers.contract import Deferred

_CLIMB_PER_S = 0.05
_SLICE_S = 0.01
# How long a deferred message waits at the most: while we are too fast the pace itself comes down; a carrier's
# own trouble is given more time with each pass.
_LONGEST_WHEN_THROTTLED_S = 15.0
_LONGEST_IN_TROUBLE_S = 300.0


def pause_s(result: Deferred, pass_no: int) -> float:
    """Seconds before the next pass: as the carrier asks, doubling with each pass.

    A link that was down has no reason to be waited for once it is up again.
    """
    if not (result.throttled or result.counts):
        return result.retry_after_s
    longest = _LONGEST_WHEN_THROTTLED_S if result.throttled else _LONGEST_IN_TROUBLE_S
    return max(result.retry_after_s, min(2.0 ** min(pass_no - 1, 20), longest))


@dataclass(slots=True)
class Pace:
    """The share of the contract's rate that the carrier bears now.

    Once a second it comes down by the part of the answers that said "too fast", by half at the most, and
    climbs by a little. A carrier that takes three quarters of the rate is soon sent about that; one that
    refuses two messages in a hundred at random costs two in a hundred, not the pace.
    """

    segments_per_second: float
    share: float = 1.0
    _since: float = field(default_factory=clock.monotonic)
    _answers: int = 0
    _throttled: int = 0

    @property
    def stretch(self) -> float:
        """How many times longer than the contract's pace a segment takes now."""
        return 1 / self.share

    def heard(self, answers: int, throttled: int) -> None:
        """So many answers came, and so many of them said that we are too fast."""
        self._answers += answers
        self._throttled += throttled
        seconds = clock.monotonic() - self._since
        if seconds >= 1.0 and self._answers:
            down = max(0.5, 1 - self._throttled / self._answers)
            self.share = min(1.0, self.share * down + _CLIMB_PER_S * seconds)
            self._since, self._answers, self._throttled = clock.monotonic(), 0, 0

    def sub_batch(self, half: int) -> int:
        """How many segments to declare at once: `half` a sub-batch, or half a second's worth where slower."""
        return max(1, min(half, int(self.segments_per_second * self.share / 2)))

    def slices(self, items: Sequence[Item], per_submit: int) -> Iterator[tuple[float, Sequence[Item]]]:
        """(seconds after the first, items): what goes to the carrier at once, about 10 ms' worth."""
        rate = self.segments_per_second * self.share
        size = max(per_submit, int(rate * _SLICE_S))
        after, start = 0.0, 0
        while start < len(items):
            stop = start + max(1, size // items[start].segments)
            some = items[start:stop]
            yield after, some
            after += sum(item.segments for item in some) / rate
            start = stop

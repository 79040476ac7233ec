"""Helpers for the behaviour of simulators: flags, shares, draws that a seed repeats, and delayed calls."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from heapq import heappop, heappush
from typing import Any, Generic, NamedTuple, TypeVar

from carriers.text import template

T = TypeVar("T")
MASK = 2**64 - 1
TICK_S = 0.005


def fits(content: str, text: str) -> bool:
    """Return whether the text fits the template that is registered, or any text is taken ("")."""
    return not content or template.parse("", content).parameters(text) is not None


def flag(default: T, text: str) -> T:
    """Define a field of a simulator's behaviour: its default and its help text."""
    return field(default=default, metadata={"help": text})


def parse(kind: type, name: str, text: str) -> Any:
    """Parse the value of a field of `kind`; ValueError names the field and what it takes."""
    default: Any = next(each.default for each in fields(kind) if each.name == name)
    wanted = type(default)
    try:
        return int(text, 0) if wanted is int else wanted(text)
    except ValueError:
        raise ValueError(f"{name}: {text!r} is not a number") from None


def one_of(name: str, value: object, choices: Iterable[object]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: {value!r} is not known; give one of {', '.join(map(str, choices))}")


def unit(*parts: int) -> float:
    """Return a number from 0 to 1 that depends on `parts` only, whatever the order of arrival.

    Tuple hashes of neighbouring parts are correlated; the finaliser of SplitMix64 decorrelates them.
    """
    mixed = hash(parts) & MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & MASK
    return (mixed >> 32) / 2**32


class Randomness(Generic[T]):
    """Draws one of several values by their shares; the rest up to 1 is `usual`."""

    def __init__(self, name: str, usual: T, shares: Iterable[tuple[float, T]]) -> None:
        self.bounds: list[float] = []
        self._values: list[T] = []
        total = 0.0
        for share, value in shares:
            total += share
            if share < 0 or total > 1 + 1e-9:
                raise ValueError(f"the shares of {name} must be 0 or more, and 1 or less together")
            if share:
                self.bounds.append(total)
                self._values.append(value)
        self._values.append(usual)

    def draw(self, unit: float) -> T:
        return self._values[bisect_right(self.bounds, unit)]


def named_shares(name: str, text: str) -> Iterable[tuple[str, float]]:
    """Yield the pairs of "NAME=0.02,OTHER=0.01"; ValueError names the field."""
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, _, share = item.partition("=")
        try:
            yield key.strip(), float(share)
        except ValueError:
            raise ValueError(f"{name}: {item!r} must be NAME=SHARE, as 0.02") from None


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What every carrier does on purpose.

    A share is a part of 1; one draw decides among the shares of answers or troubles, one among outcomes and
    one among ways of reporting.
    """

    seed: int = flag(1, "the same seed and submits give the same ids and outcomes")
    answer_delay_s: float = flag(0.0, "seconds before each answer")
    throttle: float = flag(0.0, "share of submits throttled in the carrier's own words")
    outcomes: str = flag(
        "", "shares of receipts that report a failure, such as UNDELIV/001=0.02,EXPIRED/027=0.01"
    )
    receipt_delay_s: float = flag(0.0, "seconds from the answer to the receipt")
    receipt_spread_s: float = flag(0.0, "additional random delay, up to this many seconds")
    unreported: float = flag(0.0, "share of messages answered and never reported")
    early: float = flag(0.0, "share of messages reported before they are answered")
    twice: float = flag(0.0, "share of messages reported twice")


class Outcome(NamedTuple):
    """What becomes of a message: the stat word of a receipt, and the carrier's own error code."""

    status: str
    error: str = "000"


class ReceiptPlan(NamedTuple):
    """How the outcome is reported: how often, before the submit's own answer, or with wrong ids."""

    times: int = 1
    early: bool = False
    other_base: bool = False
    foreign: bool = False  # one more receipt with an id that no answer had


DELIVERED, ONCE = Outcome("DELIVRD"), ReceiptPlan()


def outcomes(behaviour: Behaviour, choices: Iterable[str], error: str) -> Randomness[Outcome]:
    """Return the draw of outcomes; error: the code of those that are given without."""
    shares = []
    for key, share in named_shares("outcomes", behaviour.outcomes):
        status, _, code = key.partition("/")
        one_of("outcomes", status, choices)
        shares.append((share, Outcome(status, code or error)))
    return Randomness("outcomes", DELIVERED, shares)


def reportings(behaviour: Behaviour, *more: tuple[float, ReceiptPlan]) -> Randomness[ReceiptPlan]:
    never, early, twice = ReceiptPlan(0), ReceiptPlan(early=True), ReceiptPlan(2)
    shares = ((behaviour.unreported, never), (behaviour.early, early), (behaviour.twice, twice))
    return Randomness("reporting", ONCE, (*shares, *more))


class Pace:
    """Counts per whole second, with the peak."""

    def __init__(self) -> None:
        self.peak = 0
        self._second = -1
        self._count = 0

    def add(self, now_s: float, count: int = 1) -> int:
        """Count at the monotonic time `now_s`; return the count of this second."""
        second = int(now_s)
        if second != self._second:
            self._second, self._count = second, 0
        self._count += count
        self.peak = max(self.peak, self._count)
        return self._count


class TimerWheel:
    """Many delayed calls on one timer, so that a message costs an append instead of a timer.

    Calls are grouped in ticks of 5 ms and run in the order in which they were scheduled.
    """

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

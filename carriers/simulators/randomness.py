"""Helpers for the behaviour of simulators: flags, shares, and draws that a seed repeats."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import field, fields
from typing import Any, Generic, TypeVar

T = TypeVar("T")
MASK = 2**64 - 1


def flag(default: T, text: str) -> T:
    """Define a field of a simulator's behaviour: its default and its help text."""
    return field(default=default, metadata={"help": text})


def parse(kind: type, name: str, text: str) -> Any:
    """Parse the value of a field of `kind`; ValueError names the field and what it takes."""
    known: dict[str, Any] = {one.name: one.default for one in fields(kind)}
    if name not in known:
        raise ValueError(f"{name!r} is no manner of the simulator; --help lists them")
    wanted = type(known[name])
    if wanted is bool:
        return text.lower() in ("1", "true", "yes", "on")
    try:
        return int(text, 0) if wanted is int else wanted(text)
    except ValueError:
        raise ValueError(f"{name}: {text!r} is not a number") from None


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

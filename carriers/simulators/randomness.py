"""What the manners of every simulator share: one flag for each field, shares, draws that a seed repeats."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import field, fields
from typing import Any, Generic, TypeVar

T = TypeVar("T")
MASK = 2**64 - 1


def flag(default: T, text: str) -> T:
    """A field of a simulator's manners: its default, and what the command's help says of it."""
    return field(default=default, metadata={"help": text})


def parse(kind: type, name: str, text: str) -> Any:
    """The value of a field of `kind` from its text; ValueError names the field and what it takes."""
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
    """A number from 0 to 1 that depends on `parts` only: the same fate whatever the order of arrival.

    The hash of a tuple is even, but its values for neighbouring parts lean on each other: the finish of
    SplitMix64 parts them.
    """
    mixed = hash(parts) & MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & MASK
    return (mixed >> 32) / 2**32


class Randomness(Generic[T]):
    """Draws one of several things by their shares; what is left of 1 is `usual`."""

    def __init__(self, name: str, usual: T, shares: Iterable[tuple[float, T]]) -> None:
        self.bounds: list[float] = []
        self._things: list[T] = []
        total = 0.0
        for share, thing in shares:
            total += share
            if share < 0 or total > 1 + 1e-9:
                raise ValueError(f"the shares of {name} must be 0 or more, and 1 or less together")
            if share:
                self.bounds.append(total)
                self._things.append(thing)
        self._things.append(usual)

    def draw(self, unit: float) -> T:
        """The thing at `unit` (0 to 1)."""
        return self._things[bisect_right(self.bounds, unit)]


def named_shares(name: str, text: str) -> Iterable[tuple[str, float]]:
    """The pairs of "NAME=0.02,OTHER=0.01"; ValueError names the field."""
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, _, share = item.partition("=")
        try:
            yield key.strip(), float(share)
        except ValueError:
            raise ValueError(f"{name}: {item!r} must be NAME=SHARE, as 0.02") from None

"""Which numbers have been met: one bit each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

_MAP_BITS = 20
_MAP_MASK = (1 << _MAP_BITS - 3) - 1


class Seen:
    """The numbers met so far, one bit each: 128 KiB for about a million in a row, however many lines."""

    def __init__(self) -> None:
        self._maps: defaultdict[int, bytearray] = defaultdict(lambda: bytearray(1 << _MAP_BITS - 3))
        self.add_all([0])  # what is no number is never new

    def add_all(self, phones: Iterable[int]) -> list[bool]:
        """Of each whether it is new; they are known from now on. 0 stands for no number, and never is."""
        maps, found = self._maps, list[bool]()
        for phone in phones:
            bits = maps[phone >> _MAP_BITS]
            place, bit = phone >> 3 & _MAP_MASK, 1 << (phone & 7)
            byte = bits[place]
            bits[place] = byte | bit
            found.append(not byte & bit)
        return found

"""Which numbers have been met: one bit each."""

from __future__ import annotations

import mmap
from collections.abc import Iterable

_FIRST = 84_000_000_000
_NUMBERS = 1_000_000_000


class PhoneBitmap:
    """The numbers from 84000000000 to 84999999999 met so far, one bit each.

    The system has memory only for pages that are touched: 125 KB for a million numbers in a row, 15 MB for a
    million from anywhere in the ranges of a large carrier, 125 MB at the most.
    """

    def __init__(self) -> None:
        self._bits = mmap.mmap(-1, _NUMBERS // 8, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def add_all(self, phones: Iterable[int]) -> list[bool]:
        """Of each whether it is new; they are known from now on. 0 stands for no number, and never is."""
        bits, found = self._bits, list[bool]()
        for phone in phones:
            if not phone:
                found.append(False)
                continue
            place, bit = phone - _FIRST >> 3, 1 << (phone & 7)
            byte = bits[place]
            bits[place] = byte | bit
            found.append(not byte & bit)
        return found

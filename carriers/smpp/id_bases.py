"""Notices a wrong id_mode: ids of receipts that would be those of answers, were they read in another base."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from carriers.smpp.receipt import canonical

REMEMBERED = 5_000  # ids of answers
ENOUGH = 10  # receipts that another mode would have matched, and none that fits as it is
SURE, SELDOM = 100, 16  # after so many that fit, only one id in so many is looked at
MODES = ("same", "hex_dec", "dec_hex")


def wrong_mode(mode: str, fits: str) -> str:
    """What a person is told."""
    return f"id_mode is {mode}, but receipts match their messages with {fits}: set id_mode to {fits}."


class IdBases:
    """Compares the ids of receipts with those of the newest answers, both as the carrier wrote them."""

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._newest: deque[str] = deque()
        self._known: dict[str, set[str]] = {each: set() for each in MODES}
        self._fits: dict[str, int] = {mode: 0}
        self._turn = 0

    def answered(self, written: str) -> None:
        """An answer brought this id."""
        if self._is_spared():
            return
        self._newest.append(written)
        for mode, ids in self._known.items():
            ids.add(canonical(written, mode, "response"))
        if len(self._newest) > REMEMBERED:
            oldest = self._newest.popleft()
            for mode, ids in self._known.items():
                ids.discard(canonical(oldest, mode, "response"))

    def received(self, reference: str | None, written: Callable[[], Sequence[str]]) -> str | None:
        """A receipt brought these ids; the mode that fits in place of ours, once that is beyond doubt."""
        if self._is_spared():
            return None
        others = {
            mode
            for each in written()
            for mode, ids in self._known.items()
            if mode != self._mode and canonical(each, mode, "receipt") in ids
        }
        is_ours = reference in self._known[self._mode]
        if is_ours == bool(others):  # an id that reads alike in several modes, or that nobody remembers
            return None
        return self._count(self._mode if is_ours else min(others))

    def _count(self, mode: str) -> str | None:
        """One id speaks for this mode and not for ours, or for ours alone, which outweighs all others."""
        if mode == self._mode:
            self._fits = {mode: self._fits[mode] + 1}
            return None
        self._fits[mode] = self._fits.get(mode, 0) + 1
        return mode if self._fits[mode] >= ENOUGH else None

    def _is_spared(self) -> bool:
        self._turn += 1
        return self._fits[self._mode] >= SURE and self._turn % SELDOM != 0

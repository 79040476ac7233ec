"""Detect a wrong id_mode: receipt ids that would match answer ids if read in another base."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from carriers.smpp.receipt import canonical

REMEMBERED = 5_000  # ids of answers
ENOUGH = 10  # receipts that only another mode would have matched
SURE, SELDOM = 100, 16  # after SURE receipts that fit, only one id in SELDOM is checked
MODES = ("same", "hex_dec", "dec_hex")


def wrong_mode(mode: str, fits: str) -> str:
    return f"id_mode is {mode}, but receipts match their messages with {fits}: set id_mode to {fits}."


class IdBases:
    """Compares receipt ids with those of the latest answers, both as the carrier wrote them."""

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._newest: deque[str] = deque()
        self._known: dict[str, set[str]] = {each: set() for each in MODES}
        self._fits: dict[str, int] = {mode: 0}
        self._turn = 0

    def answered(self, written: str) -> None:
        if self._is_skipped():
            return
        self._newest.append(written)
        for mode, ids in self._known.items():
            ids.add(canonical(written, mode, "response"))
        if len(self._newest) > REMEMBERED:
            oldest = self._newest.popleft()
            for mode, ids in self._known.items():
                ids.discard(canonical(oldest, mode, "response"))

    def received(self, reference: str | None, written: Callable[[], Sequence[str]]) -> str | None:
        """Compare the ids of a receipt; return the mode that fits instead of ours, once that is certain."""
        if self._is_skipped():
            return None
        others = {
            mode
            for each in written()
            for mode, ids in self._known.items()
            if mode != self._mode and canonical(each, mode, "receipt") in ids
        }
        is_ours = reference in self._known[self._mode]
        if is_ours == bool(others):  # the id is ambiguous, or no longer remembered
            return None
        return self._count(self._mode if is_ours else min(others))

    def _count(self, mode: str) -> str | None:
        """Count one id that fits only this mode; an id that fits our own resets all others."""
        if mode == self._mode:
            self._fits = {mode: self._fits[mode] + 1}
            return None
        self._fits[mode] = self._fits.get(mode, 0) + 1
        return mode if self._fits[mode] >= ENOUGH else None

    def _is_skipped(self) -> bool:
        self._turn += 1
        return self._turn % SELDOM != 0 and self._fits[self._mode] >= SURE

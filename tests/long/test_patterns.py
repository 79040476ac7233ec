"""Our own regular expressions stay quick on hostile text: their work does not explode with its length."""

from __future__ import annotations

import importlib
import re
import time
from functools import cache
from itertools import product

import pytest

from tests.long.test_guards import calls, sources

# Close together at first: what doubles with each letter would never come to an end at the next one.
LENGTHS = (12, 16, 20, 24, 28, 32, 64, 128, 256, 512, 1024)
SLOW_S = 0.01  # below this a figure is noise
PIECES = ("0", "84", "a", " ", ".", "-", "!", "@", "(", ",", "/", "\u0300", "x.", "0 ", "id:")
ENDS = ("\x00", "x")
ANCHORED = {"match", "fullmatch"}
WAYS = ANCHORED | {"search", "sub", "subn", "split", "findall", "finditer"}


@cache
def patterns() -> dict[str, tuple[re.Pattern[str], tuple[str, ...]]]:
    """Every pattern of text that is ours, by where it stands, and the ways in which it is used there.

    Those in the descriptions of bodies are pydantic's: its engine takes linear time by its nature.
    """
    found = {}
    for source in sources("app", "carriers"):
        if "re.compile" in source.text and not source.inside("carriers/simulators"):
            module = importlib.import_module(source.path.removesuffix(".py").replace("/", "."))
            used = {(owner, method) for _, owner, method in calls(source, WAYS)}
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                    ways = {method for owner, method in used if owner == name}
                    found[f"{source.path} {name}"] = (
                        value,
                        ("fullmatch", "search")[: 1 + bool(ways - ANCHORED)],
                    )
    return found


def taken(pattern: re.Pattern[str], ways: tuple[str, ...], text: str) -> float:
    """Seconds of work; the better of two."""
    best = float("inf")
    for _ in range(2):
        started = time.thread_time()
        for way in ways:
            getattr(pattern, way)(text)
        best = min(best, time.thread_time() - started)
    return best


def explosion(pattern: re.Pattern[str], ways: tuple[str, ...], piece: str, end: str) -> str:
    """Where a text of twice the length or less takes far more than four times as long; "" where none does."""
    before = 0.0
    for length in LENGTHS:
        now = taken(pattern, ways, piece * (length // len(piece)) + end)
        if now > SLOW_S and now > 7 * before:
            return f"{piece!r} x {length} + {end!r}: {now:.3f} s after {before:.3f} s"
        before = now
    return ""


@pytest.mark.parametrize("place", sorted(patterns()))
def test_no_text_makes_a_pattern_explode(place: str) -> None:
    pattern, ways = patterns()[place]
    found = (explosion(pattern, ways, piece, end) for piece, end in product(PIECES, ENDS))
    assert [what for what in found if what] == []

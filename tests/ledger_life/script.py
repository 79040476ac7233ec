"""Histories by seed: acts in an order that nobody chose, and the shortest of them that still fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.seeds import read

BROKEN = Path(__file__).with_name("broken")  # scripts that once broke a promise
_BEGIN = "start start queue"
# What a history is about: how it begins, and how often each act comes then. Few acts, and those often, find
# more than all acts at once, as the last has them.
THEMES = {
    "lost": (
        f"{_BEGIN} flush wait send wait wait expire receipts",
        "send:14 flush:2 go_on:4 wait:9 receipts:9 rematch:3 expire:2 follow_up:2 write_off:1 file:2 "
        "sweep:1 fold:1 person:1 back:1",
    ),
    "rounds": (
        f"{_BEGIN} flush send follow_up",
        "send:12 flush:2 go_on:5 follow_up:6 settle:1 days:1 receipts:5 wait:4 file:1 opt_out:1 "
        "write_off:1 expire:2 sweep:1 queue:3 start:5 pause:1 resume:1 cancel:1",
    ),
    "erased": (
        f"{_BEGIN} flush flush receipts settle long start queue flush receipts erase receipts",
        "start:4 queue:3 flush:6 receipts:9 settle:3 long:4 erase:5 follow_up:1 rematch:1 file:1 copy:2",
    ),
    "people": (
        f"{_BEGIN} send opt_out go_on send opt_out go_on",
        "send:12 opt_out:6 opt_in:1 go_on:8 budget:3 suspend:2 pause:1 resume:2 cancel:1 sweep:2 "
        "link:2 queue:2 start:2 wait:2 person:2 fold:2 receipts:2",
    ),
    "all": (
        f"{_BEGIN} flush flush settle follow_up",
        "send:26 flush:8 go_on:8 receipts:14 queue:5 wait:8 days:4 sweep:7 settle:5 start:4 "
        "follow_up:9 write_off:2 file:3 opt_out:3 opt_in:1 budget:2 pause:1 "
        "resume:2 cancel:1 rematch:4 expire:2 link:2 fold:2 note:1 suspend:1 person:1 long:2 erase:2 "
        "back:1 copy:1",
    ),
}
TWICE_EVERY, SERVER_EVERY = 16, 10
# Not in what is compared with the same beside campaigns that were over long before.
_ALONE = ("long", "erase", "back", "copy")


@dataclass(frozen=True, slots=True)
class Step:
    kind: str
    dice: int


@dataclass(frozen=True, slots=True)
class Script:
    """One history. past: beside campaigns that are over; twice: also without them, at the same cost."""

    seed: int
    engine: str
    theme: str
    past: bool
    twice: bool
    steps: tuple[Step, ...]


def script_of(seed: int, server: bool, theme: str | None = None, engine: str | None = None) -> Script:
    """Return the history of this seed; one in SERVER_EVERY is on PostgreSQL, where there is a server.

    theme, engine: others than the seed chooses.
    """
    chance = random.Random(f"life {seed}")
    theme = theme or chance.choice(list(THEMES))
    begin, often = THEMES[theme]
    weights = {kind: int(n) for kind, _, n in (each.partition(":") for each in often.split())}
    engine = engine or ("postgresql" if server and seed % SERVER_EVERY == 0 else "sqlite")
    twice = seed % TWICE_EVERY == 0 and theme != "erased"
    past = twice or (engine == "postgresql" and theme != "erased")
    if past:
        weights = {kind: n for kind, n in weights.items() if kind not in _ALONE}
    kinds = [*begin.split(), *chance.choices(list(weights), list(weights.values()), k=chance.randint(8, 28))]
    return Script(
        seed, engine, theme, past, twice, tuple(Step(kind, chance.randrange(10**6)) for kind in kinds)
    )


def replayed(file: Path) -> Script:
    """Return a script of before, whatever its seed makes today."""
    fields = read(file)
    return Script(**fields | {"steps": tuple(Step(**step) for step in fields["steps"])})


def shortest(script: Script, fails: Callable[[Script], bool]) -> Script:
    """Leave out acts, many at once at first, as long as the rest still fails."""
    size = max(1, len(script.steps) // 2)
    while True:
        at, left_out = 0, False
        while at < len(script.steps):
            attempt = replace(script, steps=script.steps[:at] + script.steps[at + size :])
            if fails(attempt):
                script, left_out = attempt, True
            else:
                at += size
        if size == 1 and not left_out:
            return script
        size = max(1, size // 2)

"""Simulate campaign days under faults: `python -m tests.simulate [--seeds 1000] [--first 1] [--seed N]`.

Each seed makes a script of faults and acts, and all delays. Prints how many seeds held every promise; exit
status 1 with each that did not, what it broke, and the shortest script that still breaks it, which is written
to `broken/`: commit it with its remedy.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from tests.seeds import first_seed, keep
from tests.simulate.runner import Found, Runner
from tests.simulate.script import BROKEN

_SHOWN = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds are tried")
    parser.add_argument(
        "--first", type=first_seed, default=1, help="the first of them: a number, `commit` or `today`"
    )
    parser.add_argument("--seed", type=int, help="this seed alone, with its script")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that try them")
    parser.add_argument("--power", action="store_true", help="the power fails as well, within commits")
    parser.add_argument("--until-first", action="store_true", help="end at the first that breaks a promise")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    said = parser.parse_args()
    out = said.out and said.out.resolve()
    began = time.monotonic()
    with Runner(said.power) as runner:
        if said.seed is not None:
            return _one(runner, said.seed)
        seeds = range(said.first, said.first + said.seeds)
        found = runner.try_all(seeds, said.workers, until_first=said.until_first)
        for each in found[:_SHOWN]:
            _show(runner, each, short=not said.until_first)
        tried = runner.tally["tried"]
        print(
            f"{tried - len(found):,} of {tried:,} simulated days from seed {said.first} held every promise, "
            f"in {time.monotonic() - began:.0f} s ({runner.figures()})."
        )
        if out:
            figures = {"first": said.first, "broken": [each.seed for each in found], **runner.tally}
            figures["fingerprint"] = f"{runner.fingerprint:012x}"
            out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return int(bool(found))


def _one(runner: Runner, seed: int) -> int:
    found = runner.try_one(runner.script(seed))
    print(runner.script(seed))
    print(
        f"{found.virtual_s:.1f} virtual seconds, {found.parts} parts taken, fingerprint {found.fingerprint}"
    )
    if found.broken:
        _show(runner, found)
    return int(bool(found.broken))


def _show(runner: Runner, found: Found, *, short: bool = True) -> None:
    print(f"\nSeed {found.seed} broke a promise:", *found.broken[:_SHOWN], sep="\n  ")
    if short:
        script = runner.shortest(found.seed)
        file = keep(BROKEN, script, "; ".join(found.broken[:_SHOWN]))
        print("The shortest script that still does:", script, f"Its script: {file}", "", sep="\n")


if __name__ == "__main__":
    sys.exit(main())

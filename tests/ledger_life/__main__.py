"""Live random histories of a ledger: `python -m tests.ledger_life [--seeds 2000] [--first 1] [--seed N]`.

Prints how many kept every promise, and what a history costs; exit status 1 with each that did not, what it
broke, and the shortest script that still does, which is written to `broken/`: commit it with its remedy.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from tests.ledger_life.planted import PLANTED
from tests.ledger_life.runner import Runner
from tests.ledger_life.script import BROKEN, THEMES, Script
from tests.seeds import first_seed, keep

_SHOWN = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.ledger_life", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=first_seed, default=1, help="a number, `commit` or `today`")
    parser.add_argument("--seed", type=int, help="this one alone, with all its acts")
    parser.add_argument("--theme", choices=THEMES, help="histories about this alone")
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), help="on this alone")
    parser.add_argument("--seconds", type=float, help="no new history after so many")
    parser.add_argument("--until-first", action="store_true", help="end at the first that breaks a promise")
    parser.add_argument("--as-it-is", action="store_true", help="shorten no script")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    parser.add_argument("--planted", choices=PLANTED, help="without this rule, which must be found")
    said = parser.parse_args()
    if said.planted:
        PLANTED[said.planted][0]()
    with Runner(theme=said.theme, engine=said.engine) as runner:
        if said.seed is not None:
            return _one(runner, said.seed, shorten=not said.as_it_is)
        began, bad = time.monotonic(), list[int]()
        processor = time.process_time()
        for seed in range(said.first, said.first + said.seeds):
            script = runner.script(seed)
            broken, _ = runner.live(script)
            if broken:
                bad.append(seed)
                after = time.monotonic() - began
                print(f"\nSeed {seed} broke a promise after {after:.1f} s:\n  {broken}", flush=True)
                if len(bad) <= _SHOWN and not said.as_it_is:
                    _show(runner, script)
                if said.until_first:
                    break
            if said.seconds is not None and time.monotonic() - began > said.seconds:
                break
        tried, took = seed + 1 - said.first, time.monotonic() - began
        figures = {"seeds": tried, "broken": bad, "seconds": round(took, 1), **runner.tally}
        figures["processor_s"] = round(time.process_time() - processor, 1)
        print(
            f"{tried - len(bad):,} of {tried:,} histories from seed {said.first} kept every promise, "
            f"{took / tried:.4f} s each."
        )
        print(json.dumps(figures, indent=1))
        if said.out:
            said.out.parent.mkdir(exist_ok=True)
            said.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return int(bool(bad))


def _one(runner: Runner, seed: int, *, shorten: bool) -> int:
    script = runner.script(seed)
    broken, life = runner.live(script)
    print(f"seed {seed} on {script.engine}", *life.trace, broken or "kept every promise", sep="\n")
    if broken and shorten:
        _show(runner, script)
    return int(bool(broken))


def _show(runner: Runner, script: Script) -> None:
    short = runner.shortest(script)
    broken, life = runner.live(short)
    print(
        f"The shortest script that still does, on {script.engine}:",
        *(f"  {each}" for each in life.trace),
        broken,
        f"Its script: {keep(BROKEN, short, broken)}",
        sep="\n",
    )


if __name__ == "__main__":
    sys.exit(main())

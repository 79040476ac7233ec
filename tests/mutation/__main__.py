"""Change the program by one operator, constant or statement at a time, and see whether a test finds it.

`python -m tests.mutation [PACKAGE or FILE ...]`. Exit status 1 where a mutant lives that judged.toml does not
know, or a package's score is below 85 in a hundred; 2 where one could not be tried.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.mutation.choice import choose_tests, runs_at_import
from tests.mutation.mutants import ROOT, Mutant
from tests.mutation.reach import ARGUMENTS, Reach, digest, look
from tests.mutation.targets import TARGETS, TESTS, Target, all_files, equivalents, mutants_of
from tests.mutation.trial import Outcome, Trial, Try, try_at_import

BUILD = ROOT / "build" / "mutation"
LEAST = 85.0
# What most of a run's start is spent on; nothing of Loa, whose modules are to be imported with the mutant.
_BUILT_ON = (
    "sqlalchemy",
    "fastapi",
    "httpx",
    "hypothesis",
    "psycopg",
    "alembic.command",
    "pydantic_settings",
)


def in_fork(work: Callable[[], None]) -> None:
    """Do it in a fork, so that this process imports nothing of Loa."""
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    if os.waitpid(pid, 0)[1]:
        raise SystemExit(2)


def reached() -> Reach:
    """Which test runs which line; taken where it is not known, or files have changed since."""
    file, files = BUILD / "reach.json", all_files()
    reach = Reach.read(file)
    modules = sorted(
        path.relative_to(ROOT).as_posix() for folder in TESTS for path in (ROOT / folder).rglob("test_*.py")
    )
    other = reach.changed(files)
    if any(each not in reach.digests for each in other):
        reach = Reach()  # a file that nobody has looked at
    again = {*reach.changed(modules), *reach.forget_files(other)}
    if changed := sorted(again.intersection(modules)):
        print(f"Looking which lines {len(changed)} modules of tests run", flush=True)
        reach.forget(changed)

        def take() -> None:
            reach.digests |= {each: digest(each) for each in [*files, *changed]}
            look(reach, files, changed)
            reach.write(file)

        in_fork(take)
    return Reach.read(file)


def tried(chosen: Sequence[Mutant], reach: Reach, longest_s: float, file: Path) -> list[Outcome]:
    """Try all of them, by the tests of their own modules first; keep outcomes in the file."""
    file.unlink(missing_ok=True)
    outcomes: dict[str, Outcome] = {}
    known = equivalents()
    for own in (True, False):
        tries = [Try(each, choose_tests(each, reach, longest_s, own=own)) for each in chosen]
        if own:
            tries = [one for one in tries if one.tests]
        for outcome in _tried(tries, reach, file):
            outcomes[outcome.id] = outcome
        done = {each.id for each in outcomes.values() if each.outcome == "found" or each.id in known}
        chosen = [each for each in chosen if each.id not in done]
    return list(outcomes.values())


def _tried(tries: Sequence[Try], reach: Reach, file: Path) -> list[Outcome]:
    late = [one for one in tries if one.tests and not runs_at_import(one.mutant, reach)]
    early = [one for one in tries if one not in late]
    left = file.with_suffix(".left")
    left.write_text("[]", encoding="utf-8")

    def report(outcome: Outcome) -> None:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(outcome)) + "\n")

    def run() -> None:
        trial = Trial(late, all_files(), reach, report)
        modules = sorted({test.partition("::")[0] for one in late for test in one.tests})
        pytest.main([*ARGUMENTS, "-s", *modules], plugins=[trial])
        left.write_text(json.dumps([one.mutant.id for one in trial.left]), encoding="utf-8")

    if late:
        in_fork(run)
    again = set(json.loads(left.read_text("utf-8")))
    left.unlink()
    for one in [*(one for one in late if one.mutant.id in again), *early]:
        report(try_at_import(one, reach))
    return read(file)


def read(file: Path) -> list[Outcome]:
    """The outcomes in a file, the last of each mutant."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return list({each["id"]: Outcome(**each) for each in map(json.loads, lines)}.values())


def score(outcomes: Sequence[Outcome], size: int) -> dict[str, Any]:
    """Figures of a package: the share found of those that can be found, and the interval of a sample's."""
    known = equivalents()
    count = {kind: sum(each.outcome == kind for each in outcomes) for kind in ("found", "lives", "not run")}
    same = sum(each.outcome == "lives" and each.id in known for each in outcomes)
    real = count["found"] + count["lives"] - same
    share = count["found"] / real if real else 1.0
    rest = max(0.0, (size - len(outcomes)) / max(1, size - 1))
    figures = {"of": size, "tried": len(outcomes), **count, "equivalent": same}
    figures |= {"open": count["lives"] - same, "score": round(100 * share, 1)}
    figures["raw"] = round(100 * count["found"] / max(1, count["found"] + count["lives"]), 1)
    figures["within"] = [round(100 * bound, 1) for bound in _interval(share, real, rest)]
    return figures


def show(outcomes: Sequence[Outcome]) -> None:
    """Print those that were not found and are not judged."""
    known = equivalents()
    for each in outcomes:
        if each.outcome != "found" and each.id not in known:
            print(f"{each.outcome:8} {each.seconds:6.1f} s  {each.id}  ({each.by})", flush=True)


def _interval(share: float, count: int, rest: float) -> tuple[float, float]:
    """Wilson's interval of 95 in 100, narrower the more of all is in the sample (`rest`: what is not)."""
    if not count or not rest:
        return share, share
    z = 1.96 * math.sqrt(rest)
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def main(given: argparse.Namespace) -> int:
    """Try what was asked for, and print a line for each package."""
    for name in _BUILT_ON:
        importlib.import_module(name)
    began, reach, figures = time.monotonic(), reached(), {}
    for name in given.part or TARGETS:
        target = TARGETS.get(name) or Target((name,))
        chosen, size = mutants_of(target, given.seed, given.sample)
        file = BUILD / f"{name.replace('/', '-')}.jsonl"
        found: dict[str, Outcome] = {}
        if given.living:
            found = {each.id: each for each in read(file) if each.outcome == "found"}
        print(f"{name}: {len(chosen)} of {size} mutants, {len(found)} found before", flush=True)
        again = [each for each in chosen if each.id not in found]
        new = tried(again, reach, given.longest, BUILD / "now.jsonl")
        kept = [found[each.id] for each in chosen if each.id in found] + new
        file.write_text("".join(json.dumps(asdict(each)) + "\n" for each in kept), encoding="utf-8")
        figures[name] = score(kept, size)
        show(kept)
        print(f"{name}: {json.dumps(figures[name])}", flush=True)
    figures_file = Path(given.out)
    figures_file.parent.mkdir(parents=True, exist_ok=True)
    figures_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(f"{time.monotonic() - began:.0f} s")
    if any(each["not run"] for each in figures.values()):
        return 2
    return int(any(each["open"] or each["score"] < LEAST for each in figures.values()))


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    asked.add_argument("part", nargs="*", help=f"{', '.join(TARGETS)}, or a file; without any: all of these")
    asked.add_argument("--sample", type=int, help="so many mutants of each; 0: all")
    asked.add_argument("--seed", type=int, default=22, help="which mutants are in a sample")
    asked.add_argument("--longest", type=float, default=6.0, help="seconds of tests for each mutant")
    asked.add_argument("--living", action="store_true", help="those again that the last run has not found")
    asked.add_argument("--out", default="build/mutation.json")
    sys.exit(main(asked.parse_args()))

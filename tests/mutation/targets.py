"""What is mutated, how much of it, and which tests are to find it."""

from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.mutants import ROOT, Mutant, mutants

# Tests that run in this process; those in tests/faults and tests/e2e start others, where no mutant is.
TESTS = (
    "tests/app/core",
    "tests/app/ledger",
    "tests/app/dispatch",
    "tests/app/campaigns",
    "tests/app/receipts",
    "tests/carriers/smpp",
    "tests/carriers/text",
    "tests/long/app/ledger",
    "tests/long/app/dispatch",
)


@dataclass(frozen=True, slots=True)
class Target:
    """Files by glob patterns; `sample`: of so many mutants, chosen by the seed; 0: all."""

    files: tuple[str, ...]
    sample: int = 0


TARGETS = {
    "states": Target(("app/core/states.py",)),
    "hours": Target(("app/core/sending_window.py", "app/campaigns/quiet_hours.py")),
    "pace": Target(("app/dispatch/send_loop.py",), 150),
    "text": Target(("carriers/text/*.py",)),
    "ledger": Target(("app/ledger/**/*.py",), 400),
    "smpp": Target(("carriers/smpp/*.py",), 300),
}


def files_of(target: Target) -> list[str]:
    found = {file for pattern in target.files for file in ROOT.glob(pattern)}
    return sorted(file.relative_to(ROOT).as_posix() for file in found)


def all_files() -> list[str]:
    return [file for target in TARGETS.values() for file in files_of(target)]


def mutants_of(target: Target, seed: int, sample: int | None) -> tuple[list[Mutant], int]:
    """The mutants to be tried, and how many there are."""
    every = [mutant for file in files_of(target) for mutant in mutants(file)]
    size = target.sample if sample is None else sample
    if not size or size >= len(every):
        return every, len(every)
    # By a key of each, so that a change of one file changes little of what is chosen.
    chosen = sorted(every, key=lambda mutant: random.Random(f"{seed} {mutant.id}").random())[:size]
    return sorted(chosen, key=lambda mutant: (mutant.file, mutant.number)), len(every)


def equivalents() -> dict[str, str]:
    """Mutants that no test can find, as they change nothing that anybody may rely on, and why."""
    listed = tomllib.loads(Path(__file__).with_name("judged.toml").read_text("utf-8"))
    return {str(mutant): str(why) for mutant, why in listed.items()}

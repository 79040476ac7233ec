"""Plant each bug in a copy of the program, and see a test find it: `python -m tests.planted [NAME ...]`.

Prints a table; exit status 1 where a bug lives on, 2 where its place in the code has gone, or where its tests
fail without it. `--simulate 1000`: see which of them so many simulated days find (tests/simulate), without
any test; that one of them lives on there is no fault, as no simulation has everything.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.planted.bugs import Bug, planted

ROOT = Path(__file__).parents[2]
# Of tests without a bug; more beside other work.
_LONGEST_S = int(os.environ.get("LOA_TEST_PLANTED_S", "300"))
# With a bug the same tests may take so many times as long and half a minute more, and then count as hanging.
_TIMES = 3
_MORE_S = 30.0
_BROKEN = re.compile(r"^Seed (\d+) broke a promise:\n(.*)", re.MULTILINE)
_FOUND = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


def copy_to(folder: Path) -> None:
    """Copy what git knows, and what is new, so that a bug never stands in the repository itself."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)


def look_for(bug: Bug, folder: Path, longest_s: float, seeds: int = 0) -> dict[str, Any]:
    """Plant the bug, run its tests (or so many seeds) until one fails, and take the bug out again.

    longest_s: after which tests that go on are taken for hanging, by the bug.
    """
    file = folder / bug.file
    sound = file.read_text("utf-8")
    if sound.count(bug.old) != 1:
        return {"outcome": "gone", "found_by": f"{sound.count(bug.old)} places in {bug.file}", "seconds": 0}
    began = time.monotonic()
    file.write_text(sound.replace(bug.old, bug.new), encoding="utf-8")
    try:
        tried = _simulated(seeds, folder) if seeds else _tried(bug.tests, folder, longest_s)
        return tried | {"seconds": round(time.monotonic() - began)}
    finally:
        file.write_text(sound, encoding="utf-8")


def _tried(tests: str, folder: Path, longest_s: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "3", "--timeout", "20", *tests.split()]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    out, ended = _run(command, folder, environment, longest_s)
    if ended is None:
        return {"outcome": "found", "found_by": f"no end within {longest_s:.0f} s"}
    first = _FOUND.search(out)
    if ended == 1 and first is not None:
        return {"outcome": "found", "found_by": first[1]}
    if ended == 0:
        return {"outcome": "lives", "found_by": ""}
    return {"outcome": "not run", "found_by": out[-600:]}


def _simulated(seeds: int, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.simulate", "--seeds", str(seeds), "--until-first"]
    out, ended = _run(command, folder, os.environ | {"PYTHONPATH": str(folder)}, 3 * seeds + _LONGEST_S)
    if ended is None:  # each simulated day has its own bound, so this says that the machine is slow
        return {"outcome": "not run", "found_by": "no end in time"}
    first = _BROKEN.search(out)
    if ended == 1 and first is not None:
        return {"outcome": "found", "found_by": f"seed {first[1]}: {first[2].strip()}"}
    return {"outcome": "not run" if ended else "lives", "found_by": out[-600:] if ended else ""}


def _run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], longest_s: float
) -> tuple[str, int | None]:
    """What the tests said, and their exit status; None where they, and what they started, had to be ended."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        return process.communicate(timeout=longest_s)[0], process.returncode
    except subprocess.TimeoutExpired:
        return "", None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main(names: Sequence[str], out: Path, seeds: int) -> int:
    """Look for these bugs, or for all; write what found each of them."""
    chosen = [bug for bug in planted() if not names or bug.name in names]
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="loa-planted-") as place:
        folder = Path(place)
        copy_to(folder)
        longest = dict[str, float]()
        for tests in dict.fromkeys(bug.tests for bug in chosen if not seeds):
            began = time.monotonic()
            sound = _tried(tests, folder, _LONGEST_S)
            if sound["outcome"] != "lives":
                print(f"Without any bug {tests} give: {sound}")
                return 2
            longest[tests] = _TIMES * (time.monotonic() - began) + _MORE_S
        for bug in chosen:
            found[bug.name] = {"harm": bug.harm, **look_for(bug, folder, longest.get(bug.tests, 0.0), seeds)}
            one = found[bug.name]
            print(f"{one['outcome']:8} {one['seconds']:>4} s  {bug.name:32} {one['found_by']}", flush=True)
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    outcomes = [each["outcome"] for each in found.values()]
    print(f"{outcomes.count('found')} of {len(outcomes)} planted bugs found")
    if any(each in ("gone", "not run") for each in outcomes):
        return 2
    return int("lives" in outcomes and not seeds)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__)
    asked.add_argument("name", nargs="*", help="bugs by name; without any: all")
    asked.add_argument("--out", type=Path, default=Path("build/planted.json"))
    asked.add_argument(
        "--simulate", type=int, default=0, metavar="SEEDS", help="by simulated days, not by tests"
    )
    given = asked.parse_args()
    sys.exit(main(given.name, given.out, given.simulate))

"""Plant each bug in a copy of the program, and see a test find it: `python -m tests.planted [NAME ...]`.

Prints a table; exit status 1 where a bug lives on, 2 where its place in the code has gone, or where its tests
fail without it.
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
_LONGEST_S = 100
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


def look_for(bug: Bug, folder: Path) -> dict[str, Any]:
    """Plant the bug, run its tests until one fails, and take the bug out again."""
    file = folder / bug.file
    sound = file.read_text("utf-8")
    if sound.count(bug.old) != 1:
        return {"outcome": "gone", "found_by": f"{sound.count(bug.old)} places in {bug.file}", "seconds": 0}
    began = time.monotonic()
    file.write_text(sound.replace(bug.old, bug.new), encoding="utf-8")
    try:
        return _tried(bug.tests, folder) | {"seconds": round(time.monotonic() - began)}
    finally:
        file.write_text(sound, encoding="utf-8")


def _tried(tests: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "3", "--timeout", "20", *tests.split()]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    out, ended = _run(command, folder, environment)
    if ended is None:
        return {"outcome": "found", "found_by": f"no end within {_LONGEST_S} s"}
    first = _FOUND.search(out)
    if ended == 1 and first is not None:
        return {"outcome": "found", "found_by": first[1]}
    if ended == 0:
        return {"outcome": "lives", "found_by": ""}
    return {"outcome": "not run", "found_by": out[-600:]}


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[str, int | None]:
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
        return process.communicate(timeout=_LONGEST_S)[0], process.returncode
    except subprocess.TimeoutExpired:
        return "", None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main(names: Sequence[str], out: Path) -> int:
    """Look for these bugs, or for all; write what found each of them."""
    chosen = [bug for bug in planted() if not names or bug.name in names]
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="loa-planted-") as place:
        folder = Path(place)
        copy_to(folder)
        for tests in dict.fromkeys(bug.tests for bug in chosen):
            sound = _tried(tests, folder)
            if sound["outcome"] != "lives":
                print(f"Without any bug {tests} give: {sound}")
                return 2
        for bug in chosen:
            found[bug.name] = {"harm": bug.harm, **look_for(bug, folder)}
            one = found[bug.name]
            print(f"{one['outcome']:8} {one['seconds']:>4} s  {bug.name:32} {one['found_by']}", flush=True)
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    outcomes = [each["outcome"] for each in found.values()]
    print(f"{outcomes.count('found')} of {len(outcomes)} planted bugs found")
    if any(each in ("gone", "not run") for each in outcomes):
        return 2
    return int("lives" in outcomes)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__)
    asked.add_argument("name", nargs="*", help="bugs by name; without any: all")
    asked.add_argument("--out", type=Path, default=Path("build/planted.json"))
    given = asked.parse_args()
    sys.exit(main(given.name, given.out))

"""Plant each bug in a copy of Loa and check that a test finds it: `python -m tests.planted [NAME ...]`.

A bug is a patch in this folder. Its first line says what a user would see; `Tests:` names where a test must
fail. Exit status 1 if a bug is not found, 2 if a patch does not apply or its tests fail without it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATCHES = Path(__file__).parent
_LIMIT_S = 600
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+::\S+)", re.MULTILINE)


def run(patch: Path, folder: Path) -> tuple[str, str]:
    """Apply the patch, run its tests, and reverse it; return the outcome and the first test that failed."""
    if not apply(patch, folder):
        return "gone", "the patch does not apply"
    try:
        status, output = _test(_tests(patch), folder)
    finally:
        apply(patch, folder, "--reverse")
    first = _FAILED.search(output)
    if status in (1, 2) and first:  # 2: pytest-xdist stopped at the first failure
        return "found", first[1]
    return ("lives", "") if status == 0 else ("broken", output[-500:])


def apply(patch: Path, folder: Path, *options: str) -> bool:
    command = ["git", "apply", "-C1", "--recount", *options, str(patch)]
    return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0


def _tests(patch: Path) -> list[str]:
    line = patch.read_text("utf-8").splitlines()[1]
    return line.removeprefix("Tests: ").split()


def _test(tests: list[str], folder: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "2", "--timeout", "30", *tests]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_LIMIT_S
    )
    return ran.returncode, ran.stdout + ran.stderr


def main() -> int:
    """Try the named bugs, or all; write a table of what found each."""
    options = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__)
    options.add_argument("name", nargs="*", help="patches by name; all if none is given")
    options.add_argument("--out", type=Path, default=ROOT / "build" / "planted.json")
    given = options.parse_args()
    patches = [PATCHES / f"{name}.patch" for name in given.name] or sorted(PATCHES.glob("*.patch"))
    results: dict[str, dict[str, str | float]] = {}
    with tempfile.TemporaryDirectory(prefix="loa-planted-") as place:
        subprocess.run(["git", "clone", "-q", "--shared", str(ROOT), place], check=True)
        folder = Path(place)
        status, output = _test(sorted({test for patch in patches for test in _tests(patch)}), folder)
        if status:
            print("The tests fail without any bug:", *_FAILED.findall(output), output[-1000:], sep="\n")
            return 2
        for patch in patches:
            began = time.monotonic()
            outcome, detail = run(patch, folder)
            seconds = round(time.monotonic() - began, 1)
            harm = patch.read_text("utf-8").splitlines()[0]
            results[patch.stem] = {"harm": harm, "outcome": outcome, "by": detail, "seconds": seconds}
            print(f"{outcome:6} {seconds:>6} s  {patch.stem:34} {detail}", flush=True)
    given.out.parent.mkdir(exist_ok=True)
    given.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    outcomes = {result["outcome"] for result in results.values()}
    print(f"{sum(r['outcome'] == 'found' for r in results.values())} of {len(results)} planted bugs found")
    return 2 if outcomes & {"gone", "broken"} else int("lives" in outcomes)


if __name__ == "__main__":
    raise SystemExit(main())

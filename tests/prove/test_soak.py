"""`make soak` as people start it: no process grows in memory or open files while messages go out.

Half a minute here; LOA_SOAK_MINUTES=5 in the environment makes it longer, `make soak MINUTES=120` is by hand.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drill.cluster import programs

MINUTES = float(os.environ.get("LOA_SOAK_MINUTES", "0.4"))


@pytest.mark.timeout(60 * MINUTES + 240)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_loa_works_on_and_does_not_grow(engine: str, tmp_path: Path) -> None:
    if engine == "postgresql" and programs() is None:
        pytest.skip("PostgreSQL's own programs (initdb, pg_ctl) are not installed")
    out = tmp_path / "soak.json"
    words = ["-m", "tests.drill.soak_command", "--minutes", f"{MINUTES:g}"]
    words += ["--rate", "300", "--engine", engine]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("LOA_", "COVERAGE_"))}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run([sys.executable, *words, "--out", str(out)], env=own, **pipes)
    assert done.returncode == 0, done.stdout
    found = json.loads(out.read_text())
    assert (found["copies_max"], found["objections"]) == (1, [])
    names = {"loa up"} if engine == "sqlite" else {"loa serve", "loa worker"}
    assert {each["name"] for each in found["processes"]} == names
    assert all(each["memory_mb"] > 0 and each["samples"] > 10 for each in found["processes"])
    assert list(tmp_path.iterdir()) == [out], "a soak that passed leaves no folder"

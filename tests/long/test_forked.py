"""The forked workers of the tests: what pytest itself says of failures, deaths and ends, they say as well."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRST = """
import os, signal, pytest
@pytest.fixture(scope="module")
def whose(): return os.getpid()
def test_good(whose): print("said by the good one")
def test_bad(whose):
    print("said by the bad one")
    assert whose == os.getpid() and 1 == 2
@pytest.mark.skip(reason="for a reason")
def test_left_out(): ...
"""
SECOND = """
import os, signal, pytest
@pytest.fixture
def broken():
    yield
    raise ValueError("while tidying up")
def test_untidy(broken): ...
def test_has_a_folder_of_its_own(tmp_path): assert list(tmp_path.iterdir()) == []
"""
DEADLY = """
import os, signal
def test_before(): ...
def test_deadly(): os.kill(os.getpid(), signal.SIGKILL)
def test_behind(): ...
"""


def run(folder: Path, *arguments: str, **modules: str) -> tuple[int, str]:
    for name, source in modules.items():
        (folder / f"test_{name}.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p tests.forked\n")
    command = [sys.executable, "-W", "ignore", "-m", "pytest", "-ra", *arguments, str(folder)]
    # Other plugins take a second to load, and options of this run are none of that one's.
    bare = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    found = subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, timeout=60)
    return found.returncode, found.stdout + found.stderr


def test_failures_are_told_with_what_they_said_and_the_rest_is_counted(tmp_path: Path) -> None:
    status, words = run(tmp_path, "-n", "2", first=FIRST, second=SECOND)
    assert status == 1
    assert re.search(r"1 failed, 3 passed, 1 skipped, 1 error", words), words
    assert "said by the bad one" in words
    assert "said by the good one" not in words
    assert "ValueError: while tidying up" in words
    assert "for a reason" in words


def test_a_worker_that_dies_fails_what_it_had_and_no_more(tmp_path: Path) -> None:
    status, words = run(tmp_path, "-n", "1", deadly=DEADLY, first=FIRST)
    assert status == 1
    for name in ("test_deadly", "test_behind"):
        assert re.search(rf"_ {name} _+\nthe worker of this test ended with signal 9", words), words
    assert re.search(r"3 failed, 2 passed, 1 skipped", words), words


def test_nothing_more_is_begun_after_the_first_failure_that_is_allowed(tmp_path: Path) -> None:
    status, words = run(tmp_path, "-n", "1", "-x", first=FIRST, second=SECOND)
    assert status == 1
    assert "1 failed, 1 passed in" in words


@pytest.mark.prove
@pytest.mark.parametrize("count", ["0", "3"])
def test_all_good_is_status_0_and_its_folders_are_gone(tmp_path: Path, count: str) -> None:
    good = "def test_it(tmp_path): (tmp_path / 'file').write_text('x')\n"
    status, words = run(tmp_path, "-n", count, one=good, two=good)
    assert (status, "2 passed" in words) == (0, True), words


@pytest.mark.prove
def test_a_seed_makes_the_order(tmp_path: Path) -> None:
    modules = {f"m{n}": "".join(f"def test_{k}(): ...\n" for k in range(5)) for n in range(4)}
    orders = [run(tmp_path, "-v", "--shuffle", seed, **modules)[1] for seed in ("1", "1", "2")]
    first, again, other = (re.findall(r"test_(m\d.py::test_\d)", each) for each in orders)
    assert first == again != other
    assert sorted(first) == sorted(other)

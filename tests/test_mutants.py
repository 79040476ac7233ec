"""Mutants: which changes are made, and that the list of those judged speaks of the code of today."""

from __future__ import annotations

import ast
import importlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.mutation.choice import choose_tests
from tests.mutation.mutants import Mutant, mutants, planted
from tests.mutation.planting import assign
from tests.mutation.reach import Reach
from tests.mutation.targets import TARGETS, files_of, mutants_of
from tests.mutation.trial import heard

_SOURCE = '''
LIMIT = 3


@cached(size=4)
def most(given: int, least: int = 1) -> int:
    """Return it."""
    log.info("asked", number=2)
    if given > LIMIT and least:
        raise TooMany(field="given")
    return max(given, least)
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "one.py").write_text(_SOURCE, encoding="utf-8")
    return tmp_path


def test_a_change_is_made_of_each_operator_constant_argument_and_statement(root: Path) -> None:
    names = [mutant.id.removeprefix("one.py:").rpartition(" [")[0] for mutant in mutants("one.py", root)]
    assert names == [
        "module: 3 => 4",
        "module: 3 => 2",
        "most: 1 => 2",
        "most: 1 => 0",
        "most: given > LIMIT and least => given > LIMIT or least",
        "most: given > LIMIT and least => not (given > LIMIT and least)",
        "most: given > LIMIT => given >= LIMIT",
        "most: raise TooMany(field='given') => pass",
        "most: TooMany(field='given') => TooMany()",
        "most: max(given, least) => None",
    ]


def test_a_mutant_differs_from_the_file_by_its_change_alone(root: Path) -> None:
    sound = ast.unparse(ast.parse(_SOURCE)).splitlines()
    for mutant in mutants("one.py", root):
        changed = ast.unparse(planted(mutant, root)).splitlines()
        assert len([1 for old, new in zip(sound, changed, strict=True) if old != new]) == 1, mutant.id


def test_an_id_stays_when_lines_above_it_change(root: Path) -> None:
    before = [mutant.id for mutant in mutants("one.py", root)]
    (root / "one.py").write_text(_SOURCE.replace("LIMIT = 3", "LIMIT = 3\nOTHER = LIMIT"), encoding="utf-8")
    assert [mutant.id for mutant in mutants("one.py", root)] == before


def test_a_constant_that_the_change_makes_impossible_is_left_to_the_import() -> None:
    every = mutants("carriers/smpp/codes.py")
    (impossible,) = [each for each in every if "Rejected | Deferred => Rejected & Deferred" in each.id]
    assert importlib.import_module("carriers.smpp.codes")
    assert not assign(impossible)


@pytest.mark.longer
def test_every_package_has_files_and_a_sample_is_the_same_each_time() -> None:
    assert all(files_of(target) for target in TARGETS.values())
    some, size = mutants_of(TARGETS["hours"], 7, 20)
    assert (len(some), size > 90) == (20, True)
    assert mutants_of(TARGETS["hours"], 7, 20)[0] == some
    assert mutants_of(TARGETS["hours"], 8, 20)[0] != some


def test_tests_of_its_own_module_try_a_mutant_first_and_modules_stay_together() -> None:
    seconds = {
        "tests/app/api/test_b.py::x": 0.1,
        "tests/app/core/test_areas.py::x": 0.2,
        "tests/app/core/test_areas.py::y": 0.3,
        "tests/app/core/test_states.py::x": 0.9,
    }
    reach = Reach(seconds, {"app/core/states.py": {"5": list(seconds)}})
    mutant = Mutant("id", "app/core/states.py", 0, ("f", 4), ((5,),))
    own, areas = "tests/app/core/test_states.py::x", "tests/app/core/test_areas.py::"
    assert choose_tests(mutant, reach, 9) == [own, f"{areas}x", f"{areas}y", "tests/app/api/test_b.py::x"]
    assert choose_tests(mutant, reach, 1.2) == [own, f"{areas}x"]
    assert choose_tests(mutant, reach, 0.1) == [own]


@contextmanager
def running(program: str, for_s: float) -> Iterator[tuple[int, int]]:
    """A process of this program: its output, and its id; it is ended after that time."""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        end = threading.Timer(for_s, process.kill)
        end.start()
        yield os.dup(process.stdout.fileno()), process.pid
        end.cancel()
        process.kill()


def test_a_fork_hangs_that_sleeps_on_although_its_timers_wake_it() -> None:
    with running("import time\nwhile True:\n time.sleep(0.005)", 30) as (output, pid):
        assert heard(output, pid, asleep_s=1) == (b"", True)


def test_a_fork_that_is_stopped_or_goes_on_to_other_tests_does_not_hang() -> None:
    with running(f"import os\nos.kill(os.getpid(), {signal.SIGSTOP:d})", 3) as (output, pid):
        assert heard(output, pid, asleep_s=1) == (b"", False)
    speaks = "import time\nfor _ in range(4):\n time.sleep(0.7)\n print(end='.', flush=True)"
    with running(speaks, 30) as (output, pid):
        assert heard(output, pid, asleep_s=1) == (b"....", False)

"""What pyproject.toml promises: the oldest Python, the same in every paper, and all that is imported."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
OLDEST = PROJECT["project"]["requires-python"].removeprefix(">=")


def named() -> list[tuple[int, int]]:
    """The versions under which the tests have passed."""
    said = re.compile(r"Programming Language :: Python :: (\d+)\.(\d+)")
    found = [said.fullmatch(each) for each in PROJECT["project"]["classifiers"]]
    return [(int(each[1]), int(each[2])) for each in found if each]


def test_every_version_from_the_oldest_on_is_named_and_none_is_left_out() -> None:
    assert ".".join(map(str, named()[0])) == OLDEST
    assert len(named()) > 1
    assert all(newer == (older[0], older[1] + 1) for older, newer in pairwise(named()))


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("README.md", "Python {} or newer"),
        ("README.vi.md", "Python {} trở lên"),
        ("CONTRIBUTING.md", "Python {} or newer"),
        ("docs/operations.md", "Python {} or newer"),
        ("Makefile", "Loa needs Python {} or newer"),
    ],
)
def test_the_oldest_is_the_same_in_every_paper(file: str, words: str) -> None:
    assert words.format(OLDEST) in (ROOT / file).read_text("utf-8")


def test_the_tools_look_at_the_code_as_the_oldest_reads_it() -> None:
    tools = PROJECT["tool"]
    assert tools["mypy"]["python_version"] == OLDEST
    assert tools["ruff"]["target-version"] == f"py{OLDEST.replace('.', '')}"
    assert f"--python-version {OLDEST}" in (ROOT / "Makefile").read_text("utf-8")


def test_a_dry_run_of_make_runs_nothing(tmp_path: Path) -> None:
    """In a folder with nothing that could be run, so that what is run all the same fails, or leaves files."""
    wants = ["Makefile", "docs/site/requirements.txt", "pyproject.toml", "requirements.lock"]
    (tmp_path / "docs/site").mkdir(parents=True)
    for each in wants:
        shutil.copy(ROOT / each, tmp_path / each)
    targets = re.findall(r"^([a-z-]+):.*  ## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {"check", "lint"} <= set(targets)
    said = subprocess.run(["make", "-n", *targets], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    left = sorted(each.relative_to(tmp_path).as_posix() for each in tmp_path.rglob("*") if each.is_file())
    assert left == wants


def test_what_may_be_missing_is_imported_only_by_the_process_that_checks_signatures() -> None:
    optional = {
        canonical(each).replace("-", "_") for each in PROJECT["project"]["optional-dependencies"]["sign"]
    }
    assert optional == {"pyhanko", "pyhanko_certvalidator"}
    said = re.compile(rf"^\s*(?:from|import) (?:{'|'.join(optional)})\b", re.MULTILINE)
    own = [path for path in (ROOT / "app").rglob("*.py") if said.search(path.read_text("utf-8"))]
    assert [path.relative_to(ROOT).as_posix() for path in own] == ["app/reports/frozen/signature_check.py"]


def imported(folder: Path) -> set[str]:
    """The top-level names of all that the modules of a folder import, without the standard library's."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {each.name.partition(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    own = {"app", "carriers", "loa_client", "tests", "made"}  # made: by tests/prove/test_generated_client.py
    return found - sys.stdlib_module_names - own


def canonical(requirement: str) -> str:
    """The name of a requirement as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~! ;]", requirement)[0]).lower()


@pytest.mark.parametrize(
    ("folders", "extra"),
    [
        pytest.param(("app", "carriers", "loa_client"), ("sign",), id="program"),
        pytest.param(("tests",), ("dev", "sign"), id="tests", marks=pytest.mark.prove),
    ],
)
def test_what_is_imported_is_declared(folders: tuple[str, ...], extra: tuple[str, ...]) -> None:
    """A library that comes only with another one is gone when that one does without it."""
    project = PROJECT["project"]
    declared = {canonical(each) for each in project["dependencies"]}
    for each in extra:
        declared |= {canonical(of) for of in project["optional-dependencies"][each]}
    providers = packages_distributions()
    names = set().union(*(imported(ROOT / folder) for folder in folders))
    assert {
        name for name in names if not {canonical(of) for of in providers.get(name, [name])} & declared
    } == set()

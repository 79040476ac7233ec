"""`make new-carrier` in a copy of the tree: what it writes passes its tests, lint, types and contracts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
NAME = "heron"
FOLDERS = ("app", "carriers", "docs", "messages", "migrations", "tests")
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".mypy_cache", ".hypothesis")
TOLD = "tests/long/app/web/test_error_translation.py"
TESTS = [
    f"tests/carriers/{NAME}",
    "tests/app/cli/test_every_command.py::test_each_command_is_known_to_ask_a_server_or_to_work_here",
    f"{TOLD}::test_every_sentence_of_the_code_is_told_in_vietnamese",
    "tests/carriers/test_registry.py",
    "tests/long/test_papers.py::test_the_page_of_a_kind_has_every_setting",
    "tests/long/test_papers.py::test_every_link_leads_somewhere",
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the tree, with a carrier written into it by nothing but the command."""
    copy = tmp_path_factory.mktemp("new") / "loa"
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=LEFT_OUT)
    for file in (*ROOT.glob("*.md"), *ROOT.glob("*.toml"), ROOT / "Makefile", ROOT / "LICENSE"):
        shutil.copy(file, copy / file.name)
    done = run(copy, "-m", "tests.new_carrier", NAME)
    assert done.returncode == 0, done.stderr
    yield copy
    shutil.rmtree(copy)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in this folder, whose modules come before those that are installed."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def changed(tree: Path) -> set[str]:
    """The files that differ from the tree that was copied."""
    files = (path for path in tree.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    names = {path.relative_to(tree).as_posix(): path for path in files}
    same = {name for name, path in names.items() if is_same(path, ROOT / name)}
    return {name for name in names if not name.startswith(".")} - same


def is_same(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()


def test_nothing_is_changed_but_a_line_of_the_registry_and_of_the_index(tree: Path) -> None:
    folders = ("carriers", "tests/carriers")
    ours = [
        path for path in changed(tree) if not path.startswith(tuple(f"{each}/{NAME}/" for each in folders))
    ]
    told = f"app/web/refusals/vi/{NAME}.po"
    simulator = f"carriers/simulators/{NAME}.py"
    own = [told, "carriers/registry.py", simulator, "docs/README.md", f"docs/carriers/{NAME}.md"]
    assert sorted(ours) == own
    before, after = ((each / "carriers/registry.py").read_text("utf-8") for each in (ROOT, tree))
    assert after.replace(f'    "{NAME}",\n', "") == before
    before, after = ((each / "docs/README.md").read_text("utf-8") for each in (ROOT, tree))
    assert after.replace(f", [{NAME.capitalize()}](carriers/{NAME}.md)", "") == before


@pytest.mark.prove
def test_its_tests_and_those_of_the_house_pass(tree: Path) -> None:
    done = run(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_lint_finds_nothing(tree: Path) -> None:
    written = [
        f"carriers/{NAME}",
        f"carriers/simulators/{NAME}.py",
        f"tests/carriers/{NAME}",
        "carriers/registry.py",
    ]
    for command in (["check"], ["format", "--check"]):
        done = run(tree, "-m", "ruff", *command, *written)
        assert done.returncode == 0, done.stdout


@pytest.mark.prove
def test_its_types_are_right(tree: Path) -> None:
    done = run(tree, "-m", "mypy", "-p", f"carriers.{NAME}", "-m", f"carriers.simulators.{NAME}")
    assert done.returncode == 0, done.stdout


CONTRACTS = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"


WRONG = {
    f"carriers/{NAME}/codes.py": "carriers.vnpt.codes",
    f"carriers/{NAME}/settings.py": "carriers.simulators.web",
    "carriers/http/answer.py": f"carriers.{NAME}.codes",
    "app/receipts/receipt_log.py": f"carriers.{NAME}.carrier",
}


def test_every_wrong_import_of_a_new_carrier_is_found(tree: Path) -> None:
    before = {file: (tree / file).read_text("utf-8") for file in WRONG}
    for file, module in WRONG.items():
        (tree / file).write_text(f"{before[file]}\nimport {module}\n", encoding="utf-8")
    try:
        done = run(tree, "-c", CONTRACTS)
    finally:
        for file, source in before.items():
            (tree / file).write_text(source, encoding="utf-8")
    assert done.returncode == 1
    broken = done.stdout.partition("Broken contracts")[2]
    for file, module in WRONG.items():
        importer = file.removesuffix(".py").replace("/", ".")
        assert f"{importer} -> {module} (l." in broken, broken


@pytest.mark.prove
def test_it_can_be_simulated_and_is_a_kind_of_link(tree: Path) -> None:
    asked = run(tree, "-m", "app.cli", "simulate", NAME, "--help")
    assert "--throttle" in asked.stdout
    kinds = run(tree, "-c", "from carriers import registry; print(*registry.kinds())")
    assert NAME in kinds.stdout.split()


@pytest.mark.parametrize("name", ["smpp", "http", "class", "Heron", "1st", "he-ron", NAME])
def test_a_name_that_is_taken_or_no_name_is_refused(tree: Path, name: str) -> None:
    done = run(tree, "-m", "tests.new_carrier", name)
    assert done.returncode == 2
    assert name in done.stderr

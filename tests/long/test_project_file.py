"""What pyproject.toml promises: everything that is imported is declared."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_what_may_be_missing_is_imported_only_by_the_process_that_checks_signatures() -> None:
    optional = {
        canonical(each).replace("-", "_") for each in PROJECT["project"]["optional-dependencies"]["sign"]
    }
    assert optional == {"pyhanko", "pyhanko_certvalidator"}
    said = re.compile(rf"^\s*(?:from|import) (?:{'|'.join(optional)})\b", re.MULTILINE)
    own = [path for path in (ROOT / "app").rglob("*.py") if said.search(path.read_text("utf-8"))]
    assert [path.relative_to(ROOT).as_posix() for path in sorted(own)] == [
        f"app/reports/frozen/{name}.py" for name in ("added_content", "page_marks", "signature_check")
    ]


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

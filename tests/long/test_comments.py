"""Comments stay true: files, and functions of modules, that they name are those of the repository."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from tests.trees import nodes

# All by one worker, which reads every file once.
pytestmark = pytest.mark.unit("sources")

ROOT = Path(__file__).parent.parent.parent
FILE = re.compile(r"(?<![\w./-])([\w/]+\.(?:py|md|html|po))\b")
# `run_status.bar_of`, in a template: its comments name functions of Python in no other way.
FUNCTION = re.compile(r"(?<![\w./-])([a-z]\w+)\.([a-z_]\w+)\b")


@cache
def files() -> list[str]:
    """The files of the repository, from its root."""
    folders = ("app", "carriers", "docs", "loa_client", "messages", "migrations", "tests")
    found = [*ROOT.glob("*.md"), *(file for folder in folders for file in (ROOT / folder).rglob("*.*"))]
    return [file.relative_to(ROOT).as_posix() for file in found]


@cache
def words() -> dict[str, set[str]]:
    """What stands in each module, by its name alone."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for file in files():
        if file.endswith(".py") and file.startswith(("app/", "carriers/")):
            found[Path(file).stem] |= set(re.findall(r"\w+", (ROOT / file).read_text("utf-8")))
    return found


def in_python(text: str) -> list[str]:
    """Comments and docstrings."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    places = (node for node in nodes(text) if isinstance(node, documented))
    return [*comments, *filter(None, map(ast.get_docstring, places))]


def in_template(text: str) -> list[str]:
    return re.findall(r"\{#(.*?)#\}", text, re.DOTALL)


@cache
def is_there(name: str) -> bool:
    return any(file == name or file.endswith(f"/{name}") for file in files())


def absent(comment: str, *, template: bool = False) -> list[str]:
    """What the comment names and nobody has."""
    gone = [name for name in FILE.findall(comment) if not is_there(name)]
    if template:
        named = FUNCTION.findall(FILE.sub("", comment))
        gone += [f"{module}.{name}" for module, name in named if name not in words().get(module, ())]
    return gone


@pytest.mark.parametrize("folder", ["app", "carriers", "loa_client", "migrations", "tests"])
def test_files_that_comments_name_exist(folder: str) -> None:
    own = [file for file in files() if file.startswith(f"{folder}/") and file.endswith(".py")]
    texts = {file: (ROOT / file).read_text("utf-8") for file in own}
    named = {file: text for file, text in texts.items() if FILE.search(text)}  # to find comments is slow
    comments = [(file, each) for file, text in named.items() for each in in_python(text)]
    assert len(in_python(max(texts.values(), key=len))) > 1
    assert [f"{file}: {name}" for file, each in comments for name in absent(each)] == []


def test_what_comments_of_templates_name_exists() -> None:
    own = [file for file in files() if file.startswith("app/web/templates/") and file.endswith(".html")]
    comments = [(file, each) for file in own for each in in_template((ROOT / file).read_text("utf-8"))]
    assert len(comments) > 50
    assert [f"{file}: {name}" for file, each in comments for name in absent(each, template=True)] == []


@pytest.mark.parametrize(
    ("comment", "gone"),
    [
        ("the parts of run_status.bar_of", []),
        ("the parts of standing.bar_of", ["standing.bar_of"]),
        ("as app/core/states.py has it", []),
        ("as lights.py has it", ["lights.py"]),
    ],
)
def test_a_stale_name_would_be_found(comment: str, gone: list[str]) -> None:
    assert absent(comment, template=True) == gone

"""The oldest Python that is promised is the same wherever it is named."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
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

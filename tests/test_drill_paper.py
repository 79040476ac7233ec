"""docs/drill.md: each failure once, and every test and every line of the drill that it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.drill.plan import FaultKind
from tests.trees import parsed

ROOT = Path(__file__).parent.parent
PAPER = (ROOT / "docs" / "drill.md").read_text("utf-8")
ROWS = re.findall(r"^\| (T\d\d) \| (.+) \| (.+) \|$", PAPER, re.MULTILINE)


@cache
def functions(path: Path) -> frozenset[str]:
    """The tests of a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(
        each.name for each in ast.walk(parsed(path.read_text("utf-8"))) if isinstance(each, kinds)
    )


def test_each_of_the_86_failures_stands_there_once_in_order() -> None:
    assert [number for number, _, _ in ROWS] == [f"T{n:02}" for n in range(1, 87)]


@pytest.mark.parametrize(("number", "by"), [pytest.param(n, by, id=n) for n, _, by in ROWS])
def test_what_shows_it_exists_or_is_said_to_be_missing(number: str, by: str) -> None:
    named = re.findall(r"`([^`]+)`", by)
    tests = [name for name in named if "::" in name]
    for name in tests:
        file, _, function = name.partition("::")
        places = [ROOT / "tests" / folder / file for folder in ("", "app", "long", "long/app")]
        places.append(ROOT / "tests" / "prove" / Path(file).name)
        found = [place for place in places if place.is_file()]
        assert found, f"{number}: no {file}"
        assert f"test_{function}" in functions(found[0]), f"{number}: no test {function} in {file}"
    lines = re.findall(r"drill: ([^.|]+)", by)
    assert set(lines) <= set(FaultKind), f"{number}: the drill has no such line: {lines}"
    assert tests or by.startswith("Not shown"), f"{number} is neither shown nor said to be missing"


def test_every_line_of_the_drill_is_explained() -> None:
    table = PAPER.partition("## The faults")[2].partition("## What was measured")[0]
    words = table.replace(
        "kill -9 of the API in an import, in an order", " ".join(f for f in FaultKind if "API" in f)
    )
    words = words.replace(
        "the same upload, the same start from 50 clients", f"{FaultKind.UPLOAD_50} {FaultKind.START_50}"
    )
    receipts = re.search(r"\| receipts (.+?) \|", words)
    assert receipts
    words += " ".join(f"receipts {each.strip()}" for each in receipts[1].split(","))
    assert [fault for fault in FaultKind if fault not in words] == []

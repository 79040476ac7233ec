"""docs/security.md: every requirement once, every status with its reason, and what it names exists."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from app.core.config import LinkSettings, Settings, WebhookSettings
from tests.trees import parsed

ROOT = Path(__file__).parent.parent
PAPER = (ROOT / "docs" / "security.md").read_text("utf-8")
STATUSES = {"met", "met in part", "not applicable", "not met"}
# ASVS 5.0.0: so many requirements of levels 1 and 2 in each of its sections.
SECTIONS = """
    1.1:2 1.2:9 1.3:11 1.4:3 1.5:2
    2.1:3 2.2:3 2.3:4 2.4:1
    3.2:2 3.3:4 3.4:6 3.5:5 3.7:2
    4.1:3 4.2:1 4.3:2 4.4:4
    5.1:1 5.2:3 5.3:2 5.4:3
    6.1:3 6.2:12 6.3:4 6.4:4 6.5:5 6.6:3 6.8:4
    7.1:3 7.2:4 7.3:2 7.4:5 7.5:2 7.6:2
    8.1:2 8.2:3 8.3:1 8.4:1
    9.1:3 9.2:4
    10.1:2 10.2:2 10.3:4 10.4:11 10.5:5 10.6:2 10.7:3
    11.1:2 11.2:3 11.3:3 11.4:4 11.5:1 11.6:1
    12.1:3 12.2:2 12.3:4
    13.1:1 13.2:5 13.3:2 13.4:5
    14.1:2 14.2:4 14.3:3
    15.1:3 15.2:3 15.3:7
    16.1:1 16.2:5 16.3:4 16.4:3 16.5:3
    17.1:1 17.2:4 17.3:2
"""


class Row(NamedTuple):
    """One requirement of the list."""

    number: str
    level: str
    name: str
    status: str
    by: str


def rows() -> list[Row]:
    """The list, in its order."""
    lines = re.findall(r"^\| (\d+\.\d+\.\d+ \|.*) \|$", PAPER, re.MULTILINE)
    return [Row(*line.split(" | ")) for line in lines]


each = pytest.mark.parametrize("row", [pytest.param(row, id=row.number) for row in rows()])


def test_every_requirement_of_levels_1_and_2_is_there_once() -> None:
    numbers = [row.number for row in rows()]
    assert [number for number, times in Counter(numbers).items() if times > 1] == []
    found = Counter(number.rpartition(".")[0] for number in numbers)
    assert found == {section: int(many) for section, many in (one.split(":") for one in SECTIONS.split())}
    assert Counter(row.level for row in rows()) == {"1": 70, "2": 183}


def test_they_stand_in_order() -> None:
    numbers = [tuple(map(int, row.number.split("."))) for row in rows()]
    assert numbers == sorted(numbers)


def test_the_counts_at_the_head_are_those_of_the_list() -> None:
    for status, many in Counter(row.status for row in rows()).items():
        assert f"\n| {status} | {many} |\n" in PAPER


@each
def test_a_requirement_has_its_status_and_says_why(row: Row) -> None:
    assert row.status in STATUSES
    assert row.name.strip()
    assert row.by.strip()
    if row.status.startswith("met"):
        assert references(row.by), "met by what?"
    # What is left is said where something is left, and nowhere else.
    assert ("Not met" in row.by) == (row.status in ("met in part", "not met"))


@each
def test_whatever_is_named_exists(row: Row) -> None:
    assert [name for name in re.findall(r"`([^`]+)`", row.by) if not is_there(name)] == []


def references(by: str) -> list[str]:
    """What can be looked at: files, tests, settings, targets of make; links, which another test follows."""
    spans = [
        name for name in re.findall(r"`([^`]+)`", by) if re.search(r"[/.]|^make ", name) or is_setting(name)
    ]
    return spans + re.findall(r"\]\(([^)]+)\)", by)


def is_there(name: str) -> bool:
    """Whether a test, file, setting, variable or path of the API that stands in code is there."""
    if name.startswith("tests/"):
        return is_test(name)
    if name.startswith(("make ", "loa ")):  # the test of all papers knows these
        return True
    if re.fullmatch(r"[\w./-]*[/.][\w./-]+", name) and not name.startswith("/"):
        return (ROOT / name).is_file()
    return is_setting(name) or name in WORDS


# What is neither: paths of the API, options of others' commands, and settings of adapters.
WORDS = {"/metrics", "__Host-", "LOA_SECRETS_DIR", "client_cert", "plain_hosts", "source", "tls"}


def is_setting(name: str) -> bool:
    """Whether Loa has this setting, or this variable."""
    known = {*Settings.model_fields, *LinkSettings.model_fields, *WebhookSettings.model_fields}
    return name.removeprefix("LOA_").lower() in known


def is_test(name: str) -> bool:
    """Whether a file of tests is there, with the test that is named."""
    path, _, function = name.partition("::")
    return (ROOT / path).is_file() and (not function or function in functions(path))


@cache
def functions(path: str) -> set[str]:
    """The tests of a file."""
    tree = parsed((ROOT / path).read_text("utf-8"))
    defined = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name for node in defined if node.name.startswith("test_")}


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("tests/test_tls.py::test_tls_1_2_is_spoken", True),
        ("tests/test_tls.py::test_that_nobody_wrote", False),
        ("tests/test_nothing.py", False),
        ("app/security/authorization.py", True),
        ("app/gates.py", False),
        (".dockerignore", True),
        ("behind_tls", True),
        ("LOA_DATABASE_URL", True),
        ("behind_the_moon", False),
    ],
)
def test_what_is_not_there_would_be_found(name: str, there: bool) -> None:
    assert is_there(name) is there

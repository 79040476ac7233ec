"""The carrier's page says what the code does: every setting with its default, every code with its word."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from carriers.contract import LinkOptions
from carriers.vnpt.codes import STATUSES, TABLE
from carriers.vnpt.settings import read

PAPER = (Path(__file__).parents[3] / "docs" / "carriers" / "vnpt.md").read_text("utf-8")


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAPER, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_is_taken() -> None:
    example = re.search(r"```toml\n(.*?)```", PAPER, re.DOTALL)
    assert example is not None
    link = tomllib.loads(example[1])["links"]["vnpt_1"]
    own = {name: v for name, v in link.items() if name not in ("carrier", "kind", "segments_per_second")}
    assert read(LinkOptions("vnpt_1", "vnpt", 5, {**own, "password": "invented"})).templates[0].slots == 1


def test_every_code_is_documented() -> None:
    answers, statuses = section("Answers"), section("What a status proves")
    first_cells = " ".join(re.findall(r"^\| ([^|]+) \|", answers, re.MULTILINE))
    assert {row.code for row in TABLE} <= set(re.findall(r"-?\d+", first_cells))
    first_cells = " ".join(re.findall(r"^\| ([^|]+) \|", statuses, re.MULTILINE))
    assert {row.code for row in STATUSES} == set(re.findall(r"-?\d+", first_cells))

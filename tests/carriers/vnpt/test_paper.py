"""The carrier's page says what the code does: every setting with its default, every code with its word."""

from __future__ import annotations

import re
import tomllib
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from carriers.contract import LinkOptions
from carriers.vnpt.codes import STATUSES, TABLE
from carriers.vnpt.hours import BLOCKED
from carriers.vnpt.settings import DAYS, VnptSettings, read

PAPER = (Path(__file__).parents[3] / "docs" / "carriers" / "vnpt.md").read_text("utf-8")
SPELT = {
    "blocked_hours": BLOCKED,
    "http_statuses": "none",
    "receipt_level": "operator",
    "schedule_format": next(iter(DAYS)),
}


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAPER, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def default_of(field: Field[Any]) -> str:
    if field.name in SPELT:
        return SPELT[field.name]
    if field.default is MISSING and field.default_factory is MISSING:
        return "required"
    return str(field.default) or "none"


def test_every_setting_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", section("Settings"), re.MULTILINE))
    told = {name: default.strip("`") for name, default in rows.items()}
    assert told == {field.name: default_of(field) for field in fields(VnptSettings)}


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

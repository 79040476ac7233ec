"""The carrier's page says what the code does: every setting with its default, every message with its word."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carriers.contract import Deferred, Halted, LinkOptions, Rejected
from carriers.viettel.codes import TABLE, CodeTable, bare
from carriers.viettel.settings import read_settings

PAPER = (Path(__file__).parents[3] / "docs" / "carriers" / "viettel.md").read_text("utf-8")
SECRET = {"password": "invented"}


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAPER, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def tables() -> list[Mapping[str, Any]]:
    """What the examples give besides the link itself."""
    found = [tomllib.loads(each) for each in re.findall(r"```toml\n(.*?)```", PAPER, re.DOTALL)]
    assert len(found) == 3
    return found


def test_the_examples_are_taken() -> None:
    link, messages, statuses = tables()
    given = link["links"]["viettel-1"]
    own = {name: v for name, v in given.items() if name not in ("carrier", "kind", "segments_per_second")}
    read = read_settings(LinkOptions("v", "viettel", 35, {**own, **SECRET, **messages, **statuses}))
    assert [type(each) for each in read.messages.values()] == [Halted, Deferred, Rejected]
    assert set(read.dlr_statuses) == {"0", "1", "2"}


def test_every_message_is_documented_with_its_word() -> None:
    words = {Halted: "*halted*", Rejected: "*rejected*", Deferred: "*deferred*"}
    documented = {
        bare(each): told
        for cell, told in re.findall(r"^\| (`.+?) \| (.+) \|$", section("Answers"), re.MULTILINE)
        for each in re.findall(r"`(.+?)`", cell)
    }
    for row in TABLE:
        assert documented[bare(row.words)].startswith(words[type(row.result)]), row.words
    own_network = "ALIAS_INVALID:TELCO=VT"
    assert isinstance(CodeTable({}, []).refusal(own_network), Halted)
    assert documented[bare(own_network)].startswith("*halted*")

"""The claim: of each column it is decided whether a change behind Loa's back is noticed, and by what; and
what is not noticed is listed in SECURITY.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from app.database.models import metadata
from app.security.protection import DECLARED, Protection, columns

SECURITY = (Path(__file__).parents[3] / "SECURITY.md").read_text("utf-8")


def test_each_table_is_declared() -> None:
    assert DECLARED.keys() == metadata.tables.keys()


@pytest.mark.parametrize("name", DECLARED)
def test_each_column_has_one_protection(name: str) -> None:
    every = tuple(metadata.tables[name].c.keys())
    declared = [column for each in DECLARED[name] for column in columns(name, each, every)]
    assert sorted(declared) == sorted(every)
    named = {column for said in DECLARED[name].values() for column in said.split()} - {"*"}
    assert named <= set(every)


@pytest.mark.parametrize("name", [name for name in DECLARED if Protection.OPEN in DECLARED[name]])
def test_what_is_open_is_listed_for_readers(name: str) -> None:
    every = tuple(metadata.tables[name].c.keys())
    is_whole = DECLARED[name][Protection.OPEN] == "*"
    named = {f"`{name}.{column}`" for column in columns(name, Protection.OPEN, every)}
    missing = {f"`{name}`"} if is_whole else named
    assert not {each for each in missing if each not in SECURITY}

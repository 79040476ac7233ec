"""The lists of planted bugs and of the model's twins say what stands in the code and in the model today."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.__main__ import MODEL, TWINS
from tests.planted.bugs import Bug, planted

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("bug", planted(), ids=lambda bug: bug.name)
def test_a_planted_bug_has_its_place_and_its_tests(bug: Bug) -> None:
    assert (ROOT / bug.file).read_text("utf-8").count(bug.old) == 1
    for each in bug.tests.split():
        file, *names = each.split("::")
        assert (ROOT / file).exists(), each
        assert all(f"def {name.split('[')[0]}(" in (ROOT / file).read_text("utf-8") for name in names), each


@pytest.mark.parametrize("twin", TWINS)
def test_a_twin_has_its_place_in_the_model(twin: str) -> None:
    assert f"#ifdef {twin}\n" in MODEL.read_text("utf-8") or f"#ifndef {twin}\n" in MODEL.read_text("utf-8")

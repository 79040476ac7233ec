"""The model's twins say what stands in the model today."""

from __future__ import annotations

import pytest

from tests.model.__main__ import MODEL, TWINS


@pytest.mark.parametrize("twin", TWINS)
def test_a_twin_has_its_place_in_the_model(twin: str) -> None:
    assert f"#ifdef {twin}\n" in MODEL.read_text("utf-8") or f"#ifndef {twin}\n" in MODEL.read_text("utf-8")

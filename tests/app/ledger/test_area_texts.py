"""A wording goes to the areas that are named for it, with what lies in them, and to nobody else."""

from __future__ import annotations

import pytest

from app.ledger.area_texts import claimed_twice, languages_by_area, wordings_by_area

TEXTS = {"": "a", "hmn": "b", "blt": "c"}


def test_a_district_of_before_2025_stands_for_its_communes() -> None:
    found = languages_by_area({"hmn": ["116"]})
    assert {"116", "03646"} <= found.keys()
    assert set(found.values()) == {"hmn"}
    assert wordings_by_area(TEXTS, {"hmn": ["116"]})["03646"] == "b"


def test_a_wording_without_areas_and_areas_without_a_wording_change_nothing() -> None:
    assert wordings_by_area(TEXTS, {}) == {"": "a"}
    assert wordings_by_area({"": "a"}, {"hmn": ["116"]}) == {"": "a"}


@pytest.mark.parametrize(
    ("areas", "twice"),
    [
        ({"hmn": ["116"], "blt": ["125"]}, []),
        ({"hmn": ["116"], "blt": ["03646"]}, ["03646"]),
        ({"hmn": ["03646"], "blt": ["116"]}, ["116"]),
        ({"hmn": ["116", "03646"]}, []),
    ],
)
def test_no_area_has_two_languages(areas: dict[str, list[str]], twice: list[str]) -> None:
    assert list(claimed_twice(areas)) == twice

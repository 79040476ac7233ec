"""The map of the communes: each of the day, its share in words and in grey, and no more than is proved."""

from __future__ import annotations

import io
from datetime import date

import pytest
from PIL import Image

from app.core import areas
from app.reports.papers import commune_map

TODAY, BEFORE = date(2025, 11, 3), date(2024, 2, 5)
CODES = [area.code for area in areas.reported(TODAY)]


def greys(shares: dict[str, float]) -> set[int]:
    picture = commune_map.draw(shares, TODAY)
    assert picture is not None
    return set(Image.open(io.BytesIO(picture.png)).convert("L").tobytes())


def test_it_has_every_commune_of_the_day_and_says_how_many_are_in_each_class() -> None:
    shares = dict(zip(CODES, [0.95, 0.92, 0.9199, 0.8, 0.5, 0.4999, 0.0], strict=False))
    picture = commune_map.draw(shares, TODAY)
    assert picture is not None
    assert picture.alt.endswith(
        "từ 92 %: 2 xã, phường; 80 đến dưới 92 %: 2 xã, phường; 50 đến dưới 80 %: 1 xã, phường; "
        f"dưới 50 %: 2 xã, phường; chưa có biên nhận: {len(CODES) - 7} xã, phường."
    )
    assert len(CODES) == 75


@pytest.mark.parametrize(("share", "ground"), [(0.95, 255), (0.85, 222), (0.6, 178), (0.1, 96)])
def test_each_class_has_a_grey_that_prints(share: float, ground: int) -> None:
    assert ground in greys(dict.fromkeys(CODES, share))


def test_nothing_is_drawn_without_a_share_and_of_the_time_of_districts() -> None:
    assert commune_map.draw({}, TODAY) is None
    assert commune_map.draw({"116": 0.9}, BEFORE) is None


def test_it_is_the_same_bytes_each_time() -> None:
    shares = dict.fromkeys(CODES, 0.9)
    assert commune_map.draw(shares, TODAY) == commune_map.draw(shares, TODAY)

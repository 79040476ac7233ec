"""The picture guide says what the pages say, and its pictures are there, few and small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from app.web.translations import catalogue

DOCS = Path(__file__).parents[1] / "docs"
GUIDE = (DOCS / "guide.vi.md").read_text("utf-8")
PICTURES = re.findall(r"!\[[^\]]+\]\((guide/[\w-]+\.png)\)", GUIDE)
# Short names are in bold, as they stand on the page: a menu's, a button's, a heading's.
NAMES = [" ".join(each.split()) for each in re.findall(r"\*\*([^*]+)\*\*", GUIDE)]


def test_the_guide_is_short_and_its_pictures_are_all_those_that_are_there() -> None:
    assert 8 <= len(PICTURES) <= 12
    assert sorted(PICTURES) == sorted(f"guide/{each.name}" for each in (DOCS / "guide").iterdir())


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_as_wide_as_the_others_and_small(name: str) -> None:
    file = DOCS / name
    with Image.open(file) as picture:
        assert picture.width == 1024
    assert file.stat().st_size < 60_000


def test_what_the_guide_names_stands_on_the_pages() -> None:
    on_pages = set(catalogue("vi").values())
    assert len(NAMES) > 20
    assert [each for each in NAMES if each != "đậm" and each not in on_pages] == []

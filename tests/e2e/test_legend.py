"""The legend of bars has the colours that occur in them, and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

SHOWN = """(of) => [...document.querySelectorAll(of + " rect[class^=part-]")]
  .filter((each) => each.checkVisibility() && each.getBoundingClientRect().width > 0)
  .map((each) => each.getAttribute("class"))"""


@pytest.mark.parametrize(("who", "path"), [("admin", "/"), ("admin", "/campaigns/1"), ("viettel", "/runs/1")])
def test_a_legend_has_the_colours_of_its_bars(signed_in: Callable[..., Page], who: str, path: str) -> None:
    page = signed_in(who, False)
    page.goto(path)
    scope = "section.letter " if path == "/" else ""
    bars = set(page.evaluate(SHOWN, scope + "svg.bar"))
    assert bars
    assert set(page.evaluate(SHOWN, scope + ".legend")) == bars

"""The whole life of a campaign by keyboard alone: what tests/e2e/test_life.py clicks is reached by Tab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page

from tests.e2e.living import Living
from tests.e2e.test_life import loa, people  # noqa: F401
from tests.e2e.test_life import test_three_people_bring_a_campaign_from_a_file_to_a_report as life

MOST_TABS = 300
# The element itself, what it stands in (a text in a summary), or the box that a label belongs to.
_FOCUSED = """(found) => {
  const at = document.activeElement, label = found.closest("label");
  return at === found || (at !== document.body && at.matches("a, button, summary") && at.contains(found))
    || (label !== null && label.control === at);
}"""


def reach(found: Locator) -> Locator:
    """Press Tab until the focus is there."""
    found.wait_for()
    for _ in range(MOST_TABS):
        if found.evaluate(_FOCUSED):
            return found
        found.page.keyboard.press("Tab")
    raise AssertionError(f"no Tab leads to {found}")


def press(key: str) -> Callable[..., None]:
    def act(found: Locator, **_: Any) -> None:
        reach(found).page.keyboard.press(key)

    return act


def click(page: Page, selector: str, **_: Any) -> None:
    press("Enter")(page.locator(selector).first)


def fill(page: Page, selector: str, value: str, **_: Any) -> None:
    reach(page.locator(selector).first)
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(value)


def test_a_campaign_lives_by_keys_alone(
    monkeypatch: pytest.MonkeyPatch,
    loa: Living,  # noqa: F811
    signed_in: Callable[..., Page],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(Locator, "click", press("Enter"))
    monkeypatch.setattr(Locator, "check", press("Space"))
    monkeypatch.setattr(Page, "click", click)
    monkeypatch.setattr(Page, "fill", fill)
    life(loa, signed_in, tmp_path, True)

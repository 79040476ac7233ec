"""Pages by keyboard alone, and on paper: tables stay tables, nothing is dark, no button is printed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.prove

In = Callable[..., Page]
_FOCUS = """() => {
  const at = document.activeElement, box = at.getBoundingClientRect(), style = getComputedStyle(at);
  return {id: at.id, href: at.getAttribute("href"), inside: document.querySelector("main").contains(at),
    seen: box.width > 0 && box.left >= 0 && box.top >= 0, outline: style.outlineStyle !== "none"};
}"""
_PAPER = """() => {
  const of = (at) => getComputedStyle(document.querySelector(at)), page = document.documentElement;
  return {ground: of("body").backgroundColor, head: of("main thead").display,
    row: of("main tbody tr").display, menu: of(".top nav").display,
    wider: page.scrollWidth - page.clientWidth};
}"""


@pytest.mark.parametrize("script", [True, False])
def test_the_first_key_leads_past_the_menu_and_the_focus_is_seen(signed_in: In, script: bool) -> None:
    page = signed_in("admin", script=script)
    page.goto("/campaigns")
    page.keyboard.press("Tab")
    first = page.evaluate(_FOCUS)
    assert (first["href"], first["seen"], first["outline"]) == ("#main", True, True)
    page.keyboard.press("Enter")
    assert page.evaluate(_FOCUS)["id"] == "main"
    page.keyboard.press("Tab")
    then = page.evaluate(_FOCUS)
    assert (then["inside"], then["outline"]) == (True, True)


def test_an_order_is_opened_and_left_by_keys_alone(signed_in: In) -> None:
    page = signed_in("viettel")
    page.goto("/runs/1")
    page.get_by_text("Tạm dừng", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Đồng ý, tạm dừng")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").strip() == "Đồng ý, tạm dừng"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Đồng ý, tạm dừng")).to_be_hidden()


def test_a_question_is_left_by_escape_and_by_its_way_back(signed_in: In) -> None:
    page = signed_in("viettel")
    page.goto("/runs/1")
    asked = page.get_by_role("button", name="Đồng ý, tạm dừng")
    for leave in (
        lambda: page.keyboard.press("Escape"),
        lambda: page.get_by_text("Không, quay lại").first.click(),
    ):
        page.get_by_text("Tạm dừng", exact=True).click()
        expect(asked).to_be_visible()
        leave()
        expect(asked).to_be_hidden()
        assert page.evaluate("document.activeElement.textContent") == "Tạm dừng"


@pytest.mark.parametrize("path", ["/", "/campaigns/1", "/runs/1", "/batches/2", "/links"])
def test_on_paper_tables_are_tables_and_nothing_is_dark(signed_in: In, path: str) -> None:
    page = signed_in("admin")
    page.goto(path)
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": 720, "height": 1000})  # a sheet of A4 between its margins
    found = page.evaluate(_PAPER)
    assert found == {
        "ground": "rgb(255, 255, 255)",
        "head": "table-header-group",
        "row": "table-row",
        "menu": "none",
        "wider": 0,
    }

"""What somebody has written comes back, stays where it was refused, or a question comes before it is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.campaigns import lifecycle
from app.database.connection import Database
from tests.e2e.scene import AUTHOR, FIRST, HOURS, TEXT

pytestmark = pytest.mark.prove

In = Callable[..., Page]
# A form, one of its fields, and who writes there.
FORMS = {
    "/directives/new": ("subject", "admin"),
    "/directives/1/report?addressee=Sở Tư pháp": ("pieces-0", "admin"),
    "/campaigns/1/follow-up": ("name", "admin"),
    "/runs/1/unknown": ("reason", "viettel"),
}


def asked(page: Page) -> list[str]:
    """The questions that come; each is answered: stay."""
    found: list[str] = []

    def stay(dialog: object) -> None:
        found.append(dialog.type)  # type: ignore[attr-defined]
        dialog.dismiss()  # type: ignore[attr-defined]

    page.on("dialog", stay)
    return found


def leave(page: Page, way: str) -> None:
    """By the menu, by another language, or back."""
    if way == "menu":
        page.get_by_role("link", name="Tổng quan").click(no_wait_after=True)
    elif way == "language":
        page.get_by_role("button", name="English").click(no_wait_after=True)
    else:
        page.evaluate("history.back()")
    page.wait_for_timeout(300)  # whatever was to happen has begun


def _ways(ways: tuple[str, ...] = ("menu", "language", "back")) -> list[Any]:
    """Each form by one way, so that each way is gone; `make prove` goes the others too."""
    pairs = [(path, way, nth % len(ways)) for nth, path in enumerate(FORMS) for way in ways]
    return [
        pytest.param(path, way, marks=() if way == ways[turn] else pytest.mark.prove)
        for path, way, turn in pairs
    ]


@pytest.mark.parametrize(("path", "way"), _ways())
def test_a_question_comes_before_a_written_form_is_left(signed_in: In, path: str, way: str) -> None:
    name, who = FORMS[path]
    page = signed_in(who)
    questions = asked(page)
    page.goto("/account")
    page.goto(path)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    there = page.url
    leave(page, way)
    page.wait_for_url(lambda url: url != there or way == "language")
    assert questions == []  # nothing was written
    if way == "language":
        page.get_by_role("button", name="Tiếng Việt").click()
    page.goto("/account")
    page.goto(path)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    field = page.locator(f"main form[method=post] [name={name}]").first
    field.fill("12")
    leave(page, way)
    assert questions == ["beforeunload"]
    expect(field).to_have_value("12")
    assert page.url == there


@pytest.mark.parametrize("way", ["menu", "language", "back"])
def test_the_text_of_a_campaign_comes_back(signed_in: In, way: str) -> None:
    page = signed_in("admin")
    questions = asked(page)
    page.goto("/account")
    page.goto("/compose")
    page.fill("[name=text]", TEXT)
    page.locator("[name=batch]").first.check()
    leave(page, way)
    if way == "language":
        page.get_by_role("button", name="Tiếng Việt").click()
    else:
        page.wait_for_url(lambda url: not url.endswith("/compose"))
    page.goto("/compose")
    expect(page.locator("[name=text]")).to_have_value(TEXT)
    expect(page.locator("[name=batch]").first).to_be_checked()
    assert questions == []
    page.evaluate("sessionStorage.clear()")


def test_a_held_run_with_a_wrong_area_stays_open_and_filled(
    signed_in: In, province: tuple[str, Database]
) -> None:
    made = province[1].write(lambda c: lifecycle.create(c, replace(FIRST, name="held"), HOURS, AUTHOR))
    page = signed_in("admin")
    questions = asked(page)
    page.goto(f"/campaigns/{made}/edit")
    page.locator("details:has(form[action*=held-runs]) > summary").click()
    form = page.locator("form[action*=held-runs]")
    form.locator("[name=estimated]").fill("350000")
    form.locator("[name=areas]").fill("116 999")
    form.locator("details summary").first.click()
    ticked = form.locator("[name=area]").first
    ticked.check()
    form.locator("button").last.click()
    expect(page.get_by_role("alert").first).to_contain_text("999")
    assert questions == []
    expect(form.locator("[name=estimated]")).to_be_visible()
    expect(form.locator("[name=estimated]")).to_have_value("350000")
    expect(form.locator("[name=areas]")).to_have_value("116 999")
    expect(ticked).to_be_checked()
    leave(page, "menu")
    assert questions == ["beforeunload"]


def test_a_write_off_without_a_reason_leaves_its_ticks(signed_in: In) -> None:
    page = signed_in("viettel")
    questions = asked(page)
    page.goto("/runs/1/unknown")
    ticks = page.locator("main tbody [name=line]")
    for n in (0, 1):
        ticks.nth(n).check()
    page.locator("details.confirm summary").last.click()
    page.locator("button[formaction$=write-off]").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    assert questions == []
    assert [ticks.nth(n).is_checked() for n in range(3)] == [True, True, False]
    expect(page.locator("[name=reason]")).to_be_visible()

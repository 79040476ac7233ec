"""What the tests of pages are made with: windows end, whatever their pages are at."""

from __future__ import annotations

from contextlib import suppress

from playwright.sync_api import Browser, Error

from tests.e2e.conftest import Served
from tests.e2e.look import People

RELOAD = "() => { location.reload(); return new Promise(() => {}) }"


def test_windows_end_amid_a_navigation(chromium: Browser, province: Served) -> None:
    people = People(chromium, province[0])
    context = people.stranger().context
    people.known["somebody", True] = (context, [])  # who has signed in stays, and only their windows end
    for _ in range(3):
        page = context.new_page()
        page.goto("/sign-in")
        with suppress(Error):  # the page is gone before it has answered
            page.evaluate(RELOAD)
        people.close()
        assert context.pages == []
    context.close()

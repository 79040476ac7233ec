"""The page of the second factor as people see it; nothing is confirmed, so nobody's sign-in changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import scene
from tests.e2e.look import check, reads

In = Callable[..., Page]


@pytest.mark.prove
@pytest.mark.parametrize("script", [True, False])
def test_a_secret_is_shown_as_a_picture_and_in_letters(signed_in: In, script: bool) -> None:
    page = signed_in("auditor", script=script)
    page.goto("/second-factor")
    page.fill("[name=password]", scene.PASSWORD)
    page.click("main button")
    expect(page.get_by_role("img")).to_be_visible()
    if script:
        check(page, "second-factor-secret")
    page.fill("[name=code]", "000")
    page.click("main button")
    expect(page.get_by_role("alert")).to_be_visible()
    if script:
        reads(page)

"""A recording is heard in the browser, under the policy of the pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.e2e.look import reads

pytestmark = pytest.mark.prove

In = Callable[..., Page]
LENGTH = """of => new Promise((heard, failed) => {
  const sound = document.querySelectorAll("audio")[of];
  sound.onloadedmetadata = () => heard(sound.duration);
  sound.onerror = () => failed(new Error(sound.error ? sound.error.message : "no sound"));
  sound.preload = "metadata";
  sound.load();
})"""
VIETNAMESE = 1  # hmn comes first


def test_a_recording_is_heard_where_it_is_decided_and_is_as_long_as_the_page_says(signed_in: In) -> None:
    page = signed_in("approver")
    page.goto("/campaigns/4")
    assert round(page.evaluate(LENGTH, VIETNAMESE), 1) == 3.0
    reads(page)

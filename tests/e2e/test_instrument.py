"""Pages as an instrument: the search box by its key, lists by how things stand, a course that grows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Connection, insert

from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import tallies
from app.web import assets
from tests.e2e.look import reads

pytestmark = pytest.mark.prove

In = Callable[..., Page]
UPLOT = "uplot-1.6.32.min.js"


def sent_by_vnpt(connection: Connection, n: int) -> None:
    """So many more messages of run 2 are handed over."""
    row = {"campaign_id": 1, "run_id": 2, "batch_id": 2, "state": int(DeliveryState.SUBMITTED), "reason": 0}
    connection.execute(insert(tallies).values(row | {"n": n, "segments": n}))


def test_the_search_box_is_reached_by_a_key_and_opens_what_it_finds(signed_in: In) -> None:
    page = signed_in("admin")
    page.keyboard.press("/")
    page.keyboard.type("gia danh")
    page.keyboard.press("Enter")
    page.wait_for_url("**/campaigns/1")


def test_campaigns_are_filtered_by_how_they_stand(signed_in: In, province: tuple[str, Database]) -> None:
    page = signed_in("admin")
    page.goto("/campaigns")
    page.select_option("[name=state]", "submitted")
    page.get_by_role("button", name="Lọc").click()
    expect(page.locator("main tbody tr")).to_have_count(1)
    expect(page.locator("main tbody .badge").first).to_have_text("chờ phê duyệt")


def test_the_course_of_a_campaign_is_drawn_and_grows(signed_in: In, province: tuple[str, Database]) -> None:
    page, db = signed_in("auditor"), province[1]
    page.goto("/campaigns/1")
    expect(page.locator("figure.course canvas")).to_be_visible()
    before = page.evaluate("document.querySelector('canvas').toDataURL()")
    db.write(sent_by_vnpt, 300)
    try:
        page.wait_for_function("(old) => document.querySelector('canvas').toDataURL() !== old", arg=before)
        reads(page)
    finally:
        db.write(sent_by_vnpt, -300)


def test_the_course_is_whole_without_javascript(signed_in: In) -> None:
    page = signed_in("auditor", script=False)
    page.goto("/campaigns/1")
    expect(page.locator("figure.course .scale li").first).to_be_visible()
    expect(page.locator("figure.course polyline")).to_have_count(2)


def test_the_chart_library_is_the_one_that_was_published() -> None:
    """As in the package uplot 1.6.32 of the npm registry, dist/uPlot.iife.min.js."""
    body = assets.assets()[UPLOT].body
    assert (
        hashlib.sha256(body).hexdigest() == "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"
    )

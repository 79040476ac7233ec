"""The overview and the sign-in as people see them: whole without JavaScript, and live with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import delete, insert, update

from app.core import clock
from app.database.connection import Database
from app.database.models import link_health, runs, sessions
from tests.e2e import scene
from tests.e2e.conftest import opened
from tests.e2e.crowd import crowded
from tests.e2e.look import People, fits, reads
from tests.e2e.scene import links_up, move

pytestmark = pytest.mark.prove

In = Callable[..., Page]


def test_a_refused_sign_in_can_be_read_by_everybody(people: People) -> None:
    page = people.stranger()
    page.goto("/sign-in")
    page.fill("[name=name]", "ai đó")
    page.fill("[name=password]", "sai mật khẩu")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.input_value("[name=name]") == "ai đó"
    reads(page)


@pytest.mark.parametrize(("who", "runs"), [("admin", 4), ("viettel", 1)])
def test_the_overview_is_live_and_each_sees_what_is_theirs(signed_in: In, who: str, runs: int) -> None:
    page = signed_in(who)
    expect(page.get_by_text("Trực tiếp.")).to_be_visible()
    expect(page.get_by_text("Trực Viettel")).to_have_count(1 if who == "viettel" else 0)
    expect(page.locator("tr.run")).to_have_count(runs)


def test_the_overview_is_whole_without_javascript(signed_in: In) -> None:
    page = signed_in("admin", script=False)
    expect(page.locator("tr.run")).to_have_count(4)
    expect(page.get_by_text("231.480").first).to_be_visible()
    expect(page.get_by_role("link", name="Tải lại")).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")


def test_what_a_page_shows_goes_from_the_screen_with_its_session(
    signed_in: In, province: tuple[str, Database]
) -> None:
    page, db = signed_in("auditor"), province[1]
    expect(page.get_by_text("Trực tiếp.")).to_be_visible()
    db.write(lambda c: c.execute(delete(sessions)))
    page.wait_for_url("**/sign-in?next=*", timeout=60_000)
    expect(page.locator("tr.run")).to_have_count(0)


def test_figures_move_while_the_overview_is_open(signed_in: In, province: tuple[str, Database]) -> None:
    page, db = signed_in("auditor"), province[1]
    sent = page.locator("[data-live='runs.1.sent']")
    expect(sent).to_have_text("262.970")
    width = page.locator("rect[data-live-width='runs.1.bar.waiting.width']")
    before = int(width.get_attribute("width") or 0)
    db.write(move, 100_000)
    try:
        expect(sent).to_have_text("362.970")
        assert int(width.get_attribute("width") or 0) < before
    finally:
        db.write(move, -100_000)


def test_a_page_that_has_changed_is_loaded_again_by_itself(
    signed_in: In, province: tuple[str, Database]
) -> None:
    page, db = signed_in("admin"), province[1]
    expect(page.get_by_text("Trực tiếp.")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    for _ in range(2):  # to unfold the menu of a telephone and fold it is not to write
        page.locator("label[for=menu]").click()
    expect(page.get_by_text("tạm dừng", exact=True)).to_have_count(0)
    turn = update(runs).where(runs.c.id == 1)
    db.write(lambda c: c.execute(turn.values(state="paused")))  # once, and soon after the page was loaded
    try:
        expect(page.locator("tr.run").get_by_text("tạm dừng", exact=True)).to_be_visible()
    finally:
        db.write(lambda c: c.execute(turn.values(state="running")))


def test_a_click_is_not_lost_to_a_page_that_is_loaded_again(
    signed_in: In, province: tuple[str, Database]
) -> None:
    page, db = signed_in("admin"), province[1]
    expect(page.get_by_text("Trực tiếp.")).to_be_visible()
    slow: list[Route] = []
    page.route("**/approvals", lambda route: slow.append(route))
    page.get_by_role("link", name="Phê duyệt").first.click(no_wait_after=True)
    turn = update(runs).where(runs.c.id == 1)
    db.write(lambda c: c.execute(turn.values(state="paused")))
    try:
        page.wait_for_timeout(7_000)  # the page would have loaded itself again by now
        slow[0].continue_()
        page.wait_for_url("**/approvals", timeout=10_000)
    finally:
        db.write(lambda c: c.execute(turn.values(state="running")))


@pytest.mark.parametrize(
    "path", ["/", *(pytest.param(path, marks=pytest.mark.prove) for path in ("/runs/1", "/links"))]
)
def test_the_death_of_a_link_is_seen_on_an_open_page_within_15_s(
    signed_in: In, province: tuple[str, Database], path: str
) -> None:
    page, db = signed_in("viettel"), province[1]
    page.goto(province[0] + path)
    expect(page.get_by_text("Trực tiếp.")).to_be_visible()
    expect(page.locator(".badge.bad").get_by_text("mất kết nối")).to_have_count(0)
    now = clock.now_ms()
    lost = {"link_id": 1, "holder": "w", "seen_at": now + 60_000, "lost_since": now - 1000}
    db.write(lambda c: c.execute(delete(link_health)))
    db.write(lambda c: c.execute(insert(link_health).values(lost)))
    try:
        expect(page.locator(".badge.bad").get_by_text("mất kết nối").first).to_be_visible(timeout=15_000)
        reads(page)
    finally:
        db.write(links_up)


def test_a_page_whose_stream_has_fallen_silent_is_grey_and_says_so(signed_in: In) -> None:
    page = signed_in("viettel")
    page.route("**/runs/1/events", lambda route: None)  # it is never answered
    page.goto(page.url + "runs/1")
    expect(page.locator("body.gone")).to_have_count(0)
    expect(page.locator("body.gone")).to_have_count(1, timeout=13_000)
    expect(page.get_by_text("Mất kết nối")).to_be_visible()


def test_the_time_of_the_figures_moves_with_them(signed_in: In) -> None:
    page = signed_in("viettel")
    stamp = page.locator("[data-stamp]")
    before = stamp.text_content() or ""
    expect(stamp).not_to_have_text(before, timeout=8_000)


@pytest.fixture
def after_a_year(chromium: Browser, sqlite_template: Path, tmp_path: Path) -> Iterator[Page]:
    with opened(sqlite_template, tmp_path, crowded) as (address, _):
        people = People(chromium, address)
        yield people.enter(scene.PEOPLE["admin"].name, scene.PASSWORD)
        people.close()


def test_after_a_year_no_page_is_cut_endless_or_too_small_for_a_thumb(after_a_year: Page) -> None:
    for path in ("/", "/campaigns/1", "/directives/1", "/batches/2?campaign=1"):
        after_a_year.goto(path)
        fits(after_a_year)


def test_the_chief_s_and_the_operator_s_questions_are_answered_above_the_fold(signed_in: In) -> None:
    for who in ("admin", "viettel"):
        page = signed_in(who)
        page.set_viewport_size({"width": 1366, "height": 768})
        for found in (page.locator(".big"), page.locator(".letter > .bar"), page.locator(".todo li").first):
            box = found.bounding_box()
            assert box
            assert box["y"] + box["height"] <= 768

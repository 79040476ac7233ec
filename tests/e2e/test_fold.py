"""What stands above the fold, at 1366 by 768, where nobody has scrolled: three questions of each role.

How many were reached of how many; is it going, and until when; what must I do now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e import scene
from tests.e2e.conftest import opened
from tests.e2e.crowd import crowded
from tests.e2e.look import People

pytestmark = pytest.mark.prove

WIDTH, HEIGHT = 1366, 768
THUMB = {"width": 390, "height": 844}
# What waits for whom in the crowd, and where it leads.
MINE = {
    "admin": "/links",
    "approver": "/approvals?campaign=",
    "viettel": "/runs/1/unknown",
    "auditor": "/links",
}
Windows = Callable[[str], Page]


@pytest.fixture(scope="module")
def windows(
    chromium: Browser, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Windows]:
    """Somebody's window after a year's work: 500 campaigns, names of 200 letters, a dead link."""
    with opened(sqlite_template, tmp_path_factory.mktemp("fold"), crowded) as (address, _):
        people = People(chromium, address)

        def window(who: str) -> Page:
            page = people.enter(scene.PEOPLE[who].name, scene.PASSWORD)
            page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
            page.goto("/")
            return page

        yield window
        people.close()


def above(place: Locator, height: int = HEIGHT) -> Locator:
    """It is seen whole without scrolling."""
    expect(place).to_be_visible()
    box = place.bounding_box()
    assert box is not None
    assert box["y"] >= 0, place
    assert box["y"] + box["height"] <= height, f"{place} ends at {box['y'] + box['height']:.0f}"
    return place


@pytest.mark.parametrize("who", MINE)
def test_each_role_has_its_three_answers_without_scrolling(windows: Windows, who: str) -> None:
    page = windows(who)
    total = page.locator("section.letter")
    sent = above(total.locator("dl.big > div", has_text="Đã gửi, trên"))
    assert sent.locator("[data-live$='.sent']").inner_text().replace(".", "").isdecimal()
    above(total.locator("dl.big > div", has_text="Máy đã nhận"))
    above(total.locator("h2 .badge").first)  # in time, late, or not known
    above(total.locator("dl.big > div", has_text="Dự kiến xong"))
    above(page.get_by_role("heading", name="Việc cần làm"))
    first = page.locator("ul.todo li").first
    above(first.locator(f"a[href^='{MINE[who]}']").first)


def test_a_thumb_pauses_a_run_without_scrolling(windows: Windows) -> None:
    page = windows("viettel")
    page.set_viewport_size(THUMB)  # type: ignore[arg-type]
    page.goto("/runs/1")
    header = page.locator("header.top").bounding_box()
    assert header is not None
    assert header["height"] <= 72
    pause = above(page.get_by_text("Tạm dừng", exact=True), THUMB["height"])
    pause.click()
    above(page.get_by_role("button", name="Đồng ý, tạm dừng"), THUMB["height"])


def case_cell(page: Page, column: str) -> Locator:
    """The first carrier's figure in this column of the table of recipients."""
    return page.locator(f'.judge td[data-label="{column}"]').first


def test_what_is_decided_on_and_the_decision_are_one_or_two_screens(windows: Windows) -> None:
    page = windows("approver")
    for size, most in (({"width": WIDTH, "height": HEIGHT}, 650), (THUMB, 1_050)):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.goto("/approvals?campaign=2")
        case, button = (page.locator(each).bounding_box() for each in ("article.card", "summary.danger"))
        assert case is not None
        assert button is not None
        high = button["y"] + button["height"] - case["y"]
        assert high <= most, (size, high)
        for column in ("Thuê bao", "Bản tin quy đổi"):
            assert case_cell(page, column).is_visible(), (size, column)

"""Every page that reads, looked at after a year's work: by somebody who may, in light and in the dark.

None can be forgotten: which operation answers an address is asked of the routers themselves.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from playwright.sync_api import Browser, Page, expect
from starlette.routing import Match

from app.core import clock
from app.web.routers import ROUTERS
from tests.e2e import scene
from tests.e2e.conftest import Served, opened
from tests.e2e.crowd import crowded
from tests.e2e.guide import picture
from tests.e2e.look import People, check, reads
from tests.e2e.visits import VISITS, Visit

# Pages of which the guide has a picture, made here when it is asked for.
PICTURED = {"sign-in": "01-dang-nhap", "unknown": "08-chua-ro"}
# Answers to GET that are no pages: streams, which their pages open, and files.
NO_PAGES = {
    "page_overview_events",
    "page_wall_events",
    "page_campaign_events",
    "page_run_events",
    "page_audit_export",
    "page_static",
    "page_panel_link",  # opens by a signed link alone: tests/app/telephone_panel/test_doors.py
}


@pytest.fixture(scope="module")
def year(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with opened(sqlite_template, tmp_path_factory.mktemp("year"), crowded) as found:
        yield found


@pytest.fixture(scope="module")
def windows(chromium: Browser, year: Served, papers: Served) -> Iterator[Callable[[str, bool], Page]]:
    """Somebody's window in one of the two places; each signs in once."""
    places = {False: People(chromium, year[0]), True: People(chromium, papers[0])}
    known: dict[tuple[str, bool], Page] = {}

    def window(who: str, papers: bool) -> Page:
        if (who, papers) not in known:
            place = places[papers]
            known[who, papers] = (
                place.enter(scene.PEOPLE[who].name, scene.PASSWORD) if who else place.stranger()
            )
        return known[who, papers]

    yield window
    for place in places.values():
        place.close()


@pytest.fixture(scope="module")
def furnished(windows: Callable[[str, bool], Page], tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the scene has not: a key, and a carrier's result file of which one line is not as it should be."""
    page = windows("admin", False)
    page.goto("/keys")
    page.fill("[name=name]", "may-tinh-so-1")
    page.select_option("[name=role]", "auditor")
    page.locator("main form button").last.click()
    expect(page.get_by_text("loa_")).to_be_visible()
    page, file = windows("vnpt", False), tmp_path_factory.mktemp("files") / "ket-qua-vnpt.csv"
    at = f"{clock.local(clock.now()) - timedelta(minutes=5):%d/%m/%Y %H:%M:%S}"
    lines = [f"0911000{n:03};DELIVRD;{at}" for n in (1, 2, 3)] + [f"0912;DELIVRD;{at}"]
    file.write_text("\n".join(("Số điện thoại;Trạng thái;Thời gian", *lines)), "utf-8")
    page.goto("/receipt-files/new")
    page.set_input_files("[name=file]", file)
    page.locator("main form button").click()
    page.wait_for_url("**/receipt-files/1")


ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def operation(path: str) -> str:
    """The operation that answers GET for this address."""
    asked = {"type": "http", "method": "GET", "path": path.partition("?")[0], "headers": []}
    return next(route.name for route in ROUTES if route.matches(asked)[0] is Match.FULL)


def test_no_page_is_forgotten() -> None:
    pages = {route.name for route in ROUTES if "GET" in route.methods}
    assert pages > NO_PAGES
    assert {operation(each.path) for each in VISITS} == pages - NO_PAGES


@pytest.mark.usefixtures("furnished")
@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.name)
def test_the_page_can_be_read_by_everybody(windows: Callable[[str, bool], Page], visit: Visit) -> None:
    page = windows(visit.who, visit.papers)
    check(page, visit.name, visit.path)
    if visit.name in PICTURED:
        picture(page, PICTURED[visit.name])


# A4 at 96 dots an inch, without its margins. A number on two lines reads as two numbers.
PAPER = {"width": 700, "height": 1000}
BROKEN = """() => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const around = node.parentElement;
    if (!around.checkVisibility() || around.closest("code, a, svg, details:not([open], .rest)")) continue;
    for (const each of node.data.matchAll(/\\d[\\d.,:\\/]*\\d/g)) {
      const range = document.createRange();
      range.setStart(node, each.index);
      range.setEnd(node, each.index + each[0].length);
      const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (lines.size > 1) found.push(each[0]);
    }
  }
  return found;
}"""


LEAST_FILLED = 0.6  # of a sheet that another one follows


def short_sheets(pdf: bytes) -> list[str]:
    """Sheets whose print ends far above their foot although more follows, as when what follows is not cut."""
    drawn = subprocess.run(
        ["pdftoppm", "-r", "20", "-gray", "-"], input=pdf, capture_output=True, check=True
    ).stdout
    found, sheet = [], 0
    while drawn:
        _, size, most, rest = drawn.split(b"\n", 3)
        wide, high = map(int, size.split())
        assert most == b"255"
        rows = [min(rest[y * wide : (y + 1) * wide]) for y in range(high)]
        drawn, sheet = rest[wide * high :], sheet + 1
        filled = max((y for y, dark in enumerate(rows) if dark < 200), default=0) / high
        if drawn and filled < LEAST_FILLED:
            found.append(f"sheet {sheet} is filled to {filled:.0%}")
    return found


@pytest.mark.usefixtures("furnished")
@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.name)
def test_no_number_breaks_on_paper_and_lines_of_pictures_are_there(
    windows: Callable[[str, bool], Page], visit: Visit
) -> None:
    page = windows(visit.who, visit.papers)
    page.goto(visit.path)
    page.emulate_media(media="print")
    page.set_viewport_size(PAPER)  # type: ignore[arg-type]
    try:
        assert page.evaluate(BROKEN) == []
        hidden = "els => els.filter(each => getComputedStyle(each).display === 'none').length"
        assert page.eval_on_selector_all("main svg:not(.map svg) polyline", hidden) == 0
        assert short_sheets(page.pdf(format="A4")) == []
    finally:
        page.emulate_media(media="screen")


def test_a_page_that_is_not_there_can_be_read_by_everybody(windows: Callable[[str, bool], Page]) -> None:
    check(windows("", False), "not-found", "/nowhere")


def test_confirmations_can_be_read_when_they_are_open(windows: Callable[[str, bool], Page]) -> None:
    page = windows("viettel", False)
    page.goto("/runs/1")
    page.get_by_text("Tạm dừng", exact=True).click()
    expect(page.get_by_role("button", name="Đồng ý, tạm dừng")).to_be_visible()
    reads(page)

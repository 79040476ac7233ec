"""Pictures of README: made here, and held to the pages that they show."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.database.connection import Database
from tests.e2e import scene
from tests.e2e.conftest import Served, opened
from tests.e2e.guide import held_picture
from tests.e2e.look import People

ROOT = Path(__file__).parents[2]
AT = 1_794_279_600  # 10:00 on 10 November 2026: pages count days, and say whether hours allow sending
PICTURES = {"04-phe-duyet", "07-tong-quan"}


@pytest.fixture
def at_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that minute, and whoever asks for the time sees it go on."""
    ticks = count(AT * 1000)
    monkeypatch.setattr(time, "time", lambda: next(ticks) / 1000)
    monkeypatch.setattr(time, "time_ns", lambda: next(ticks) * 1_000_000)


def _seen(
    chromium: Browser, served: AbstractContextManager[Served], who: str, look: Callable[[Page], None]
) -> None:
    with served as (address, _):
        people = People(chromium, address)
        try:
            look(people.enter(scene.PEOPLE[who].name, scene.PASSWORD))
        finally:
            people.close()


@pytest.mark.usefixtures("at_ten")
@pytest.mark.parametrize(
    ("name", "who", "path", "part", "fill"),
    [
        ("07-tong-quan", "admin", "/", None, scene.build),
        ("04-phe-duyet", "approver", "/approvals?campaign=2", "article.card", scene.build),
    ],
)
def test_a_picture_of_readme_shows_the_page_as_it_is(
    chromium: Browser,
    sqlite_template: Path,
    tmp_path: Path,
    name: str,
    who: str,
    path: str,
    part: str | None,
    fill: Callable[[Database], object],
) -> None:
    def look(page: Page) -> None:
        page.set_viewport_size({"width": 1024, "height": 760})
        page.goto(path)
        if page.locator("[data-stream]").count():
            expect(page.get_by_text("Trực tiếp.")).to_be_visible()
        held_picture(page, name, page.locator(part) if part else None)

    _seen(chromium, opened(sqlite_template, tmp_path, fill), who, look)


@pytest.mark.parametrize("file", ["README.md", "README.vi.md"])
def test_readme_shows_these_pictures(file: str) -> None:
    shown = re.findall(r"\(docs/guide/([\w-]+)\.png\)", (ROOT / file).read_text("utf-8"))
    assert set(shown) >= PICTURES

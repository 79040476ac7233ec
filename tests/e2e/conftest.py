"""A real server over SQLite with a scene, and Chromium as Debian has it; skipped where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from tests.app.api.served import served
from tests.e2e import scene
from tests.e2e.look import People

Served = tuple[str, Database]
expect.set_options(timeout=30_000)  # a slow machine is no failure
# The shell is the same engine without the windows of a browser, for half of the processor time.
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser"))), None
)
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser, gone when the next package begins: its loop stands still in the way of async tests."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is on the path, so pages are not looked at in a browser")
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@contextmanager
def opened(template: Path, folder: Path, fill: Callable[[Database], object]) -> Iterator[Served]:
    """A server over a database that this function has filled."""
    shutil.copy(template, folder / "loa.sqlite3")
    db = Database(f"sqlite:///{folder / 'loa.sqlite3'}")
    fill(db)
    with served(create_app(Settings(data=folder, environment="development"), db)) as address:
        yield address, db
    db.close()


@pytest.fixture(scope="package")
def province(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server's address and its database; tests that change it ask for an own one."""
    with opened(sqlite_template, tmp_path_factory.mktemp("province"), scene.build) as found:
        yield found


@pytest.fixture(scope="package")
def papers(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A campaign whose rows add up, and two frozen reports of its first run."""
    with opened(sqlite_template, tmp_path_factory.mktemp("papers"), scene.reported) as found:
        yield found


@pytest.fixture(scope="package")
def everybody(chromium: Browser, province: Served) -> People:
    return People(chromium, province[0])


@pytest.fixture
def people(everybody: People) -> Iterator[People]:
    yield everybody
    everybody.close()


@pytest.fixture
def signed_in(people: People) -> Callable[..., Page]:
    """A window in which somebody of scene.PEOPLE has signed in, with or without JavaScript."""

    def work(who: str, script: bool = True) -> Page:
        return people.enter(scene.PEOPLE[who].name, scene.PASSWORD, script)

    return work

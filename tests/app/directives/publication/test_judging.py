"""A hostile page takes no time of the process that sends."""

from __future__ import annotations

import asyncio
import resource
import time

import pytest

from app.core.config import Settings
from app.database.connection import Database
from app.directives.publication import judging
from app.reports.figures.publications import PublicationState
from tests.app.directives.publication.pages import Pages
from tests.app.directives.publication.test_published import (
    TEXT,
    findings,
    pages,
    read,
    reported,
    server,
    settings,
)
from tests.engines import on_sqlite

__all__ = ["pages", "server", "settings"]


@pytest.mark.prove
@on_sqlite
def test_a_hostile_page_takes_the_time_of_another_process(
    db: Database, settings: Settings, pages: Pages
) -> None:
    pages.put("khong " * 30_000)
    reported(db, settings, pages.url())
    before = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    assert read(db, settings).state is PublicationState.GONE
    own, after = time.process_time() - before[0], resource.getrusage(resource.RUSAGE_CHILDREN)
    assert own < after.ru_utime - before[1].ru_utime


@pytest.mark.prove
def test_a_page_that_takes_longer_than_it_may_is_not_judged() -> None:
    body = " ".join(f"chuyen{n}" for n in range(100_000)).encode()
    assert asyncio.run(judging.judge(body, "utf-8", True, [TEXT], seconds=1)) is None


@pytest.mark.longer
@on_sqlite
def test_such_a_page_was_not_read_and_is_no_finding(
    db: Database, settings: Settings, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "_PATIENCE_S", 0.001)
    pages.put(TEXT)
    reported(db, settings, pages.url())
    found = read(db, settings)
    assert found.failure == "The page takes too long to compare."
    assert findings(db) == []

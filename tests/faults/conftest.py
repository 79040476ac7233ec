"""A home for real processes on each engine; whatever a test leaves running is ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import each_engine
from tests.faults.processes import Home

database_url = each_engine


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Iterator[Home]:
    """A folder with a migrated, empty database; SQLite's file is in it."""
    found = Home(tmp_path, database_url)
    try:
        yield found
    finally:
        found.end()


@pytest.fixture
def sqlite_home(sqlite_url: str, tmp_path: Path) -> Iterator[Home]:
    """The same on SQLite alone."""
    found = Home(tmp_path, sqlite_url)
    try:
        yield found
    finally:
        found.end()

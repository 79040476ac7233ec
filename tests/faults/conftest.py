"""A home for real processes on each engine; whatever a test leaves running is ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.database import schema
from app.database.connection import Database
from tests.engines import each_engine
from tests.faults.processes import Home
from tests.faults.server import Server, own_server

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


@pytest.fixture
def server() -> Iterator[Server]:
    """A PostgreSQL server of the test's own with a migrated, empty database, to stop, restart and cut off."""
    with own_server() as found:
        db = Database(found.url)
        schema.upgrade(db)
        db.close()
        yield found

"""A database on each engine whose process holds a secret_key, so that there are links and gateway keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.database.connection import Database
from tests.engines import each_engine

database_url = each_engine
KEYS = (b"k" * 32,)


@pytest.fixture
def keyed(db: Database, database_url: str) -> Iterator[Database]:
    db.close()  # SQLite takes one process at a time
    with_key = Database(database_url, keys=KEYS)
    yield with_key
    with_key.close()

"""One varied campaign for all tests of a module that only read it: a database for each engine, made once."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from app.db import Database
from tests import conftest as databases
from tests.app.reports.scene import varied


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The campaign of scene.varied; what a test changes here it must undo."""
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("sound") / "loa.sqlite3"
        shutil.copy(request.getfixturevalue("sqlite_template"), file)
        with closing(Database(f"sqlite:///{file}")) as db:
            yield varied(db)
        return
    template, name = request.getfixturevalue("postgresql_template"), f"loa_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(databases.SERVER, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        with closing(Database(databases.postgresql_url(name))) as db:
            yield varied(db)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

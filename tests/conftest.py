"""Real databases for every test that asks for one: SQLite always, PostgreSQL where a server answers."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app import schema
from app.config import normal_url
from app.db import Database

SERVER = os.environ.get("LOA_TEST_DATABASE_URL", "")
NO_SERVER = "LOA_TEST_DATABASE_URL names no PostgreSQL server, so this test runs on SQLite only"


def _admin() -> psycopg.Connection:
    return psycopg.connect(SERVER, autocommit=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file, made once."""
    file = tmp_path_factory.mktemp("template") / "loa.sqlite3"
    db = Database(f"sqlite:///{file}")
    schema.upgrade(db)
    with db.engine.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return file


@pytest.fixture(scope="session")
def postgresql_template() -> Iterator[str]:
    """The name of a migrated, empty PostgreSQL database, made once."""
    if not SERVER:
        pytest.skip(NO_SERVER)
    name = f"loa_template_{uuid.uuid4().hex[:12]}"
    with _admin() as admin:
        admin.execute(f"CREATE DATABASE {name}")
    try:
        db = Database(postgresql_url(name))
        schema.upgrade(db)
        db.close()
        yield name
    finally:
        with _admin() as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def postgresql_url(name: str) -> str:
    """The test server's URL with another database in it."""
    parts = psycopg.conninfo.conninfo_to_dict(SERVER)
    user, password = parts.get("user") or "", parts.get("password")
    login = f"{user}:{password}@" if password else f"{user}@" if user else ""
    return normal_url(f"postgresql://{login}{parts.get('host')}:{parts.get('port') or 5432}/{name}")


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "loa.sqlite3")
    return f"sqlite:///{tmp_path / 'loa.sqlite3'}"


@pytest.fixture
def new_postgresql_url(postgresql_template: str) -> Iterator[str]:
    name = f"loa_test_{uuid.uuid4().hex[:12]}"
    with _admin() as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {postgresql_template}")
    yield postgresql_url(name)
    with _admin() as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated, empty database of its own; each test that asks runs once per engine."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return str(request.getfixturevalue("new_postgresql_url"))


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()

"""One varied campaign for all tests of a module that only read it: a database for each engine, made once."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.reports.forms import letterhead
from app.reports.frozen import archive
from app.reports.frozen.archive import Frozen, ReportSubject, SubjectKind
from app.reports.release.freeze import Freezer
from tests import conftest as databases
from tests.long.app.reports import five_carriers
from tests.long.app.reports.kept import freeze_at
from tests.long.app.reports.letter_2024 import replay
from tests.long.app.reports.scene import varied
from tests.made_once import database_made_once


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def sound(request: pytest.FixtureRequest) -> Iterator[Database]:
    """The campaign of scene.varied; what a test changes here it must undo."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sound_on_sqlite")
        return
    template, name = request.getfixturevalue("postgresql_template"), f"loa_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(databases.SERVER, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        with closing(Database(databases.postgresql_url(name))) as db:
            yield varied(db)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def sound_on_sqlite(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The same where what is shown lies above the database: `sound = sound_on_sqlite`."""
    file = tmp_path_factory.mktemp("sound") / "loa.sqlite3"
    shutil.copy(sqlite_template, file)
    with closing(Database(f"sqlite:///{file}")) as db:
        yield varied(db)


@pytest.fixture(scope="module")
def replayed(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The directive of 2024, made once for a module; what a test freezes there stays frozen."""
    folder = tmp_path_factory.mktemp("letter")
    shutil.copy(sqlite_template, folder / "loa.sqlite3")
    with closing(Database(f"sqlite:///{folder / 'loa.sqlite3'}")) as db:
        replay(db, folder)
        yield db


Two = tuple[Freezer, list[Frozen]]


@pytest.fixture(scope="session")
def frozen_twice(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with two versions of form B."""
    return database_made_once(tmp_path_factory, "frozen-twice", sqlite_template, two_versions)


@pytest.fixture
def frozen(frozen_twice: Path, tmp_path: Path) -> Iterator[Two]:
    """Two versions of form B in a copy of their own; their letterhead is complete."""
    shutil.copy(frozen_twice, tmp_path / "loa.sqlite3")
    with closing(Database(f"sqlite:///{tmp_path / 'loa.sqlite3'}")) as db:
        versions = db.read(archive.listed, 0, 2).items
        yield Freezer(db, ledger_for(db), letterhead.load(None), "officer"), versions


def two_versions(db: Database, folder: Path) -> Two:
    five_carriers.directive(db, folder)
    freezer = Freezer(db, ledger_for(db), letterhead.load(None), "officer")
    directive = ReportSubject(SubjectKind.DIRECTIVE, 1)
    first = freeze_at(freezer, directive, five_carriers.FIRST)[0]
    five_carriers.later(db, 2)
    return freezer, [first, freeze_at(freezer, directive, five_carriers.SECOND)[0]]

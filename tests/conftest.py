"""Real databases for every test that asks for one: SQLite always, PostgreSQL where a server answers."""

from __future__ import annotations

import gc
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.strategies import text
from xdist.workermanage import NodeManager

from app.core.config import normal_url
from app.database import schema
from app.database.connection import Database
from tests import compiled_once, made_once, passwords, plain_logs
from tests.engines import by_default
from tests.pool import Pool

SERVER = os.environ.get("LOA_TEST_DATABASE_URL", "")
# How long an example takes depends on what else the machine does, and says nothing.
hypothesis_settings.register_profile(
    "loa",
    deadline=None,
    max_examples=int(os.environ.get("LOA_TEST_EXAMPLES", "20")),
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.load_profile("loa")

# What a test leaves behind is little: to look for it after every 700 objects costs a fifth of all time.
gc.set_threshold(200_000, 20)

# A worker writes what SlipCover has seen while it ends; on a busy machine that takes longer than 10 s.
NodeManager.EXIT_TIMEOUT = 120

plain_logs.configure()
compiled_once.configure()

# In memory where the system has room for files there: hundreds of databases wait for no disk.
_MEMORY = Path("/dev/shm")
if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 2 * 1024**3:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

_HERE = Path(__file__).parent
_PATIENT = {"e2e": 120, "faults": 120, "ledger_life": 120, "prove": 1800}  # seconds a test may take
_LONGEST = "test_one_person_in_two_chunks.py"  # begun last, it would leave other workers idle
_NAME = "name-of-a-database"  # a file that has it
NO_SERVER = "LOA_TEST_DATABASE_URL names no PostgreSQL server, so this test runs on SQLite only"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, and give real processes and browsers more time than the usual limit."""
    for item in items:
        if "[postgresql" in item.name:
            item.add_marker("postgresql")  # which `make test-fast` leaves out
        if _folder(item) in _PATIENT and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_PATIENT[_folder(item)]))
    items.sort(key=_rank)


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(_HERE).parts[0]


def _rank(item: pytest.Item) -> int:
    if item.path.name == _LONGEST:
        return 0
    return {"faults": 0, "e2e": 0, "ledger_life": 0, "long": 1}.get(_folder(item), 2)


def pytest_collection_finish() -> None:
    """Modules and collected tests live to the end: no collection is to go through them again and again.

    Hypothesis' table of characters takes a second: it is made here, and not by each worker.
    """
    text().validate()
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once for each reason how many tests it skipped: without PostgreSQL they are hundreds."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in reports
        if isinstance(report, pytest.TestReport) and isinstance(report.longrepr, tuple)
    )
    for reason, n in reasons.most_common():
        terminalreporter.write_line(f"{n:,} skipped: {reason}")


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """No test is to speak, or be silent, because of another one before it."""
    with plain_logs.kept():
        yield


def _admin(**other: str) -> psycopg.Connection:
    return psycopg.connect(SERVER, autocommit=True, **other)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file, made once for all workers."""
    return made_once.made_once(tmp_path_factory, "sqlite-template", _migrated_file) / "loa.sqlite3"


def _migrated_file(folder: Path) -> None:
    db = Database(f"sqlite:///{folder / 'loa.sqlite3'}")
    schema.upgrade(db)
    with db.engine.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


@pytest.fixture(scope="session")
def postgresql_template(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated, empty PostgreSQL database, made once for all workers."""
    if not SERVER:
        pytest.skip(NO_SERVER)
    folder = made_once.made_once(tmp_path_factory, "postgresql-template", _migrated_database)
    return (folder / _NAME).read_text("ascii")


def _migrated_database(folder: Path) -> None:
    name = f"loa_template_{uuid.uuid4().hex[:12]}"
    with _admin() as admin:
        admin.execute(f"CREATE DATABASE {name}")
    (folder / _NAME).write_text(name, "ascii")
    db = Database(postgresql_url(name))
    schema.upgrade(db)
    db.close()


@pytest.hookimpl(tryfirst=True)  # pytest's own removes the folder
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Drop the template when all workers have ended."""
    factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
    for file in factory.getbasetemp().glob(f"{made_once.FOLDER}/*/{_NAME}"):
        with _admin() as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {file.read_text('ascii')} WITH (FORCE)")


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


@pytest.fixture(scope="session")
def postgresql_pool(postgresql_template: str) -> Iterator[Pool]:
    """Databases that tests use one after the other: making and dropping one costs more than most tests."""
    pool = Pool(_admin, postgresql_template)
    yield pool
    pool.close()


@pytest.fixture
def new_postgresql_url(postgresql_pool: Pool) -> Iterator[str]:
    name = postgresql_pool.take()
    yield postgresql_url(name)
    postgresql_pool.give_back(name)


@pytest.fixture(scope="session")
def copied_scene(request: pytest.FixtureRequest) -> Callable[[str], AbstractContextManager[Database]]:
    """Lend a copy of the scene of tests/every_source.py, which is made once for each engine."""

    @contextmanager
    def copied(engine: str) -> Iterator[Database]:
        from tests import every_source  # most tests need neither it nor what it imports

        factory = request.getfixturevalue("tmp_path_factory")
        template = request.getfixturevalue(f"{engine}_template")

        def filled(folder: Path) -> None:
            name = _new_database(template)
            (folder / _NAME).write_text(name, "ascii")
            with closing(Database(postgresql_url(name))) as db:
                every_source.fill(db)

        if engine == "sqlite":
            file = made_once.database_made_once(
                factory, "every-source", template, lambda db, _folder: every_source.fill(db)
            )
            with TemporaryDirectory(dir=factory.getbasetemp()) as folder:
                shutil.copy(file, f"{folder}/loa.sqlite3")
                with closing(Database(f"sqlite:///{folder}/loa.sqlite3")) as db:
                    yield db
            return
        made = made_once.made_once(factory, "every-source-postgresql", filled) / _NAME
        name = _new_database(made.read_text("ascii"))
        try:
            with closing(Database(postgresql_url(name))) as db:
                yield db
        finally:
            with _admin() as admin:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    return copied


def _new_database(template: str) -> str:
    """Create a database as a copy of another, which nobody has open; return its name."""
    name = f"loa_scene_{uuid.uuid4().hex[:12]}"
    with _admin() as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


@pytest.fixture
def every_source(copied_scene: Callable[[str], AbstractContextManager[Database]]) -> Iterator[Database]:
    """A copy of its own of the scene with every source of figures (tests/every_source.py), on SQLite."""
    with copied_scene("sqlite") as db:
        yield db


# SQLite, unless a folder or a module says `database_url = each_engine`.
database_url = by_default
# Least, unless a module says `password_cost = passwords.full_cost`.
password_cost = passwords.least_cost


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()

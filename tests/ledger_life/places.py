"""The databases in which histories happen, each beginning as a copy of one template, and their clocks."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import structlog
from sqlalchemy import Connection, event

from app.core import clock
from app.core.config import normal_url
from app.database import schema
from app.database.connection import Database
from app.database.models import metadata

BEGIN_MS = 1_925_000_000_000  # a day of 2031 on which every history on SQLite begins
_CLOCK = """
    CREATE TABLE public.life_clock (ahead_ms bigint NOT NULL);
    INSERT INTO public.life_clock VALUES (0);
    CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
      $$SELECT pg_catalog.clock_timestamp() + (SELECT ahead_ms FROM public.life_clock) * interval '1 ms'$$
"""
# Whether a prepared statement keeps a plan for any campaign, which locks every campaign's tables, or is
# planned for its own goes by the costs of tables that hold a few rows here. The histories ask which
# campaigns a statement names, so each is planned for its own; in the product that would cost a fifth of the
# speed (`tests.bench --part path`, in turns).
_SETTINGS = (
    "search_path = public, pg_catalog",
    "synchronous_commit = off",
    "plan_cache_mode = force_custom_plan",
)
_ADVISORY = """
    SELECT objid::int FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory' AND objsubid = 1
       AND classid = 0
"""
_OPENED = (
    "SELECT relation::regclass::text FROM pg_locks WHERE pid = pg_backend_pid() AND relation IS NOT NULL"
)
_PART = re.compile(r"(?:submissions|deliveries|receipts)_c(\d+)")


class Now:
    """The time of a history: on SQLite it moves a millisecond with every look, so that a history repeats."""

    def __init__(self) -> None:
        self.ms, self.real = BEGIN_MS, False

    def time_ns(self) -> int:
        return self.look() * 1_000_000

    def time(self) -> float:
        return self.look() / 1000

    def look(self) -> int:
        if self.real:
            return time.time_ns() // 1_000_000 + self.ms
        self.ms += 1
        return self.ms


class LifeDatabase(Database):
    """Does all work at once, in the caller's thread; counts what a step asks of the server."""

    _eyes: Any = None
    asked = 0  # statements
    counting = False
    locks: set[int]  # advisory ones, of the work done since `locks` was emptied
    opened: set[int]  # campaigns whose partitions were opened

    def write(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self._transaction(writing=True) as connection:
            done = work(connection, *args, **kwargs)
            if self.counting and not self.sqlite:
                self._note(connection)
            return done

    async def awrite(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.write(work, *args, **kwargs)

    _patient_write = awrite

    async def aread(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.read(work, *args, **kwargs)

    def _note(self, connection: Connection) -> None:
        raw: Any = connection.connection.driver_connection
        self.locks |= {key for (key,) in raw.execute(_ADVISORY).fetchall()}
        names = (_PART.fullmatch(name) for (name,) in raw.execute(_OPENED).fetchall())
        self.opened |= {int(each[1]) for each in names if each}

    def look(self, *queries: str) -> list[list[tuple[Any, ...]]]:
        """What is committed, read beside all sessions and layers of the program."""
        if self._eyes is None:
            plain = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
            self._eyes = (
                sqlite3.connect(str(self.url.database))
                if self.sqlite
                else psycopg.connect(plain, autocommit=True)
            )
        return [[tuple(row) for row in self._eyes.execute(query).fetchall()] for query in queries]

    def close(self) -> None:
        if self._eyes is not None:
            self._eyes.close()
        super().close()

    def watch(self) -> None:
        self.locks, self.opened = set(), set()

        def count(*_: Any) -> None:
            self.asked += 1

        for engine in {self.engine, self._hot}:
            engine.update_execution_options(compiled_cache={})  # of all statements, not of the last 500
            event.listen(engine, "before_cursor_execute", count)


class Places:
    """One process's databases. `with_past`: campaigns that were over long before, in the other template."""

    def __init__(
        self, fill: Callable[[Database], None], past: Callable[[Database], None], server: str
    ) -> None:
        structlog.configure(processors=[_drop])
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(prefix="loa-life-", dir=memory if memory.is_dir() else None))
        self.now, self._server, self._made = Now(), server, list[str]()
        clock.time = SimpleNamespace(time=self.now.time, time_ns=self.now.time_ns)  # type: ignore[attr-defined]
        self._fill, self._past = fill, past
        self._lite: LifeDatabase | None = None
        self._raw: dict[bool, sqlite3.Connection] = {}
        self._servers: dict[str, tuple[LifeDatabase, str]] = {}

    @property
    def has_server(self) -> bool:
        return bool(self._server)

    def close(self) -> None:
        clock.time = time  # type: ignore[attr-defined]
        for each in self._raw.values():
            each.close()
        if self._lite is not None:
            self._lite.close()
        for db, _ in self._servers.values():
            db.close()
        for name in self._made:
            self._admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- SQLite

    def sqlite(self, past: bool) -> LifeDatabase:
        """The one file of this process, as its template has it."""
        self.now.real, self.now.ms = False, BEGIN_MS
        if past not in self._raw:
            self._raw[past] = self._template(past)
        self.now.ms = BEGIN_MS
        if self._lite is None:
            self._lite = LifeDatabase(f"sqlite:///{self.folder / 'ledger.sqlite3'}", beside=True)
            event.listen(self._lite.engine, "connect", _quick)
            self._lite.watch()
        with self._lite.engine.connect() as connection:
            self._raw[past].backup(connection.connection.driver_connection)  # type: ignore[arg-type]
        return self._lite

    def _template(self, past: bool) -> sqlite3.Connection:
        file = self.folder / f"template-{past}.sqlite3"
        db = LifeDatabase(f"sqlite:///{file}")
        event.listen(db.engine, "connect", _quick)
        schema.upgrade(db)
        self._fill(db)
        if past:
            self._past(db)
        db.close()
        return sqlite3.connect(file)

    # ---- PostgreSQL

    def postgresql(self, past: bool) -> LifeDatabase:
        """The one database on the server with this beginning."""
        return self._again("past" if past else "begin")

    def empty(self) -> LifeDatabase:
        """A migrated database without rows, for a copy; its clock goes on from where this history is."""
        at = self.now.look()
        found = self._again("empty")
        self.now.ms = at - time.time_ns() // 1_000_000
        self.move(found, 0)
        return found

    def move(self, db: LifeDatabase, ms: int) -> None:
        """Let so much time pass; less than nothing: the clocks are set back."""
        self.now.ms += ms
        if not db.sqlite:
            db.write(
                lambda c: c.exec_driver_sql("UPDATE public.life_clock SET ahead_ms = %s", (self.now.ms,))
            )

    def _again(self, name: str) -> LifeDatabase:
        self.now.real, self.now.ms = True, 0
        if name not in self._servers:
            self._servers[name] = self._begun(name)
            return self._servers[name][0]
        db, kept = self._servers[name]
        with db.engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute(_AGAIN.encode())
            raw.execute(kept.encode())
            raw.commit()
        return db

    def _begun(self, name: str) -> tuple[LifeDatabase, str]:
        """Make the database, and what it begins with a second time in a schema of its own."""
        database = self._migrated_copy(name)
        db = LifeDatabase(_url(self._server, database), threads=2)
        db.watch()
        if name != "empty":
            self._fill(db)
        if name == "past":
            self._past(db)
        return db, db.write(_keep)

    def _migrated_copy(self, name: str) -> str:
        if not self._made:
            self._made.append(self._new("migrated", ""))
            first = Database(_url(self._server, self._made[0]))
            schema.upgrade(first)
            first.write(lambda c: c.exec_driver_sql(_CLOCK))
            first.close()
        self._made.append(self._new(name, f"TEMPLATE {self._made[0]}"))
        return self._made[-1]

    def _new(self, name: str, template: str) -> str:
        database = f"loa_life_{name}_{uuid.uuid4().hex[:12]}"
        self._admin(f"CREATE DATABASE {database} {template}")
        for setting in _SETTINGS:
            self._admin(f"ALTER DATABASE {database} SET {setting}")
        return database

    def _admin(self, statement: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as admin:
            admin.execute(statement.encode())


# Drops the partitions that a history has made, and everything else that it has written.
_AGAIN = """
    SET session_replication_role = replica;
    DO $$ DECLARE part text; BEGIN
      FOR part IN SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'public' AND c.relkind = 'r'
                     AND c.relname ~ '^(submissions|deliveries|receipts)_c[0-9]+$'
                     AND c.relname NOT IN (SELECT name FROM life.parts) LOOP
        EXECUTE 'DROP TABLE public.' || part;
      END LOOP; END $$;
"""


def _keep(connection: Connection) -> str:
    """Keep all rows; return the statements that put them back."""
    connection.exec_driver_sql("CREATE SCHEMA life")
    connection.exec_driver_sql(
        "CREATE TABLE life.parts AS SELECT relname::text AS name FROM pg_class"
        " WHERE relname ~ '^(submissions|deliveries|receipts)_c[0-9]+$'"
    )
    back = ["UPDATE public.life_clock SET ahead_ms = 0"]
    for table in metadata.sorted_tables:
        own = f'public."{table.name}"'
        connection.exec_driver_sql(f'CREATE TABLE life."{table.name}" AS TABLE {own}')
        back.append(f"DELETE FROM {own}")
        if connection.exec_driver_sql(f"SELECT 1 FROM {own} LIMIT 1").first():
            back.append(f'INSERT INTO {own} SELECT * FROM life."{table.name}"')
        column = table.autoincrement_column
        if column is not None:
            highest = connection.exec_driver_sql(f"SELECT max({column.name}) FROM {own}").scalar()
            of = f"pg_get_serial_sequence('public.{table.name}', '{column.name}')"
            back.append(
                f"SELECT setval({of}, {highest or 1}, {str(bool(highest)).lower()}) WHERE {of} IS NOT NULL"
            )
    back.append("SET session_replication_role = DEFAULT")
    return ";".join(back)


def _url(server: str, name: str) -> str:
    head, _, _ = server.rpartition("/")
    return normal_url(f"{head}/{name}")


def _quick(raw: Any, _: Any) -> None:
    for pragma in ("synchronous=OFF", "cache_size=-4000", "wal_autocheckpoint=100000"):
        raw.execute(f"PRAGMA {pragma}")


def _drop(*_: object) -> dict[str, object]:
    raise structlog.DropEvent

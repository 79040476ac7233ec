"""Empty PostgreSQL databases for tests, emptied after each use in place of being made anew."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg

Connect = Callable[..., psycopg.Connection]

NAME = "pool of tests"  # application_name of the pool's own connections

# What a database is made of: a test that has changed it must not leave that to the next one.
_SHAPE = """
    SELECT md5(string_agg(what, ' ' ORDER BY what)) FROM (
      SELECT 'column ' || attrelid::regclass || attname || atttypid || attnotnull AS what
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
         AND a.attnum > 0
      UNION ALL SELECT 'relation ' || relname FROM pg_class
       WHERE relnamespace = 'public'::regnamespace AND NOT relispartition AND relkind <> 't'
      UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal
      UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
      UNION ALL SELECT 'revision ' || version_num FROM alembic_version) AS parts
"""
_PARTITIONS = (
    "SELECT inhrelid::regclass::text FROM pg_inherits i JOIN pg_class c ON c.oid = inhrelid "
    "WHERE c.relkind = 'r'"
)
_TABLES = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
       AND NOT relispartition AND relname <> 'alembic_version'
"""
_LARGE_BYTES = 512 * 1024
_LARGE = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
       AND pg_total_relation_size(oid) > %s
"""
_SEQUENCES = "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"
_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
)


class Pool:
    """Takes databases from a template, and back again where a test has left their shape as it was.

    It keeps its own connections to them: a new one has the server read the whole catalogue again, for 20 ms.
    """

    def __init__(self, connect: Connect, template: str) -> None:
        self._connect, self._template = connect, template
        self.prefix = "loa_test"
        self._free: list[str] = []
        self._own: dict[str, psycopg.Connection] = {}
        self._shape = ""
        # Each drop waits for a checkpoint of the server: no test does.
        self._drops, self._dropped = ThreadPoolExecutor(1), list[Future[None]]()

    def take(self) -> str:
        """The name of an empty, migrated database."""
        if self._free:
            return self._free.pop()
        name = f"{self.prefix}_{uuid.uuid4().hex[:12]}"
        with self._connect() as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {self._template}")
            # No test here stops the server: those that do have a cluster of their own.
            admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        if not self._shape:
            self._shape = _one(self._connected(name), _SHAPE)
        return name

    def give_back(self, name: str) -> None:
        """Empty it for the next test; drop it where its shape was changed."""
        own = self._connected(name)
        own.execute(_OTHERS, [name])
        for (partition,) in own.execute(_PARTITIONS).fetchall():
            own.execute(f"DROP TABLE {partition}")
        if _one(own, _SHAPE) == self._shape:
            _empty(own)
            self._free.append(name)
        else:
            self._drop_beside(name)

    def close(self) -> None:
        """Drop them all."""
        for name in self._free:
            self._drop_beside(name)
        for dropped in self._dropped:
            dropped.result()
        self._drops.shutdown()

    def _connected(self, name: str) -> psycopg.Connection:
        """The pool's own connection there, made anew where a test has ended it."""
        own = self._own.get(name)
        try:
            if own is not None and own.execute("SELECT 1"):
                return own
        except psycopg.OperationalError:
            """A test has ended all connections but its own."""
        self._own[name] = self._connect(dbname=name, application_name=NAME)
        return self._own[name]

    def _drop_beside(self, name: str) -> None:
        if own := self._own.pop(name, None):
            own.close()
        self._dropped.append(self._drops.submit(self._drop, name))

    def _drop(self, name: str) -> None:
        with self._connect() as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _empty(own: psycopg.Connection) -> None:
    names = [name for (name,) in own.execute(_TABLES).fetchall()]
    looks = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in names)
    filled = [name for (name,) in own.execute(looks).fetchall()]
    large = {name for (name,) in own.execute(_LARGE, [_LARGE_BYTES]).fetchall()}
    if filled and (large & {*filled} or not _deleted(own, filled)):
        own.execute(f"TRUNCATE {', '.join(filled)} CASCADE")
    own.execute(_SEQUENCES)


def _deleted(own: psycopg.Connection, names: list[str]) -> bool:
    """Delete the few rows of these tables, which is less work than to make tables anew; False: may not."""
    try:
        own.execute("SET session_replication_role = replica")  # no look at foreign keys: all rows go
    except psycopg.errors.InsufficientPrivilege:
        return False
    own.execute("; ".join(f"DELETE FROM {name}" for name in names))
    return True


def _one(own: psycopg.Connection, query: str) -> str:
    row = own.execute(query).fetchone()
    assert row is not None
    return str(row[0])

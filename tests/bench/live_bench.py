"""PostgreSQL as it lives: autovacuum at work, and somebody who has been reading since before the run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg

from tests.bench.machinery import SERVER
from tests.bench.path_bench import complete

SETTING = """
    SELECT setting, coalesce(sourcefile LIKE '%postgresql.auto.conf', false) FROM pg_settings
     WHERE name = 'autovacuum'
"""


def live(count: int) -> dict[str, float]:
    """Measure the complete path with autovacuum on and a transaction held open for the whole run."""
    with autovacuum():
        return complete("postgresql", count, beside=held_open)


@contextlib.contextmanager
def held_open(url: str) -> Iterator[None]:
    """Keep a snapshot of this database, as a report or pg_dump does: no dead row of later can be removed."""
    with psycopg.connect(url.replace("+psycopg", "")) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT count(*) FROM deliveries")
        yield
        reader.execute("SELECT 1")  # it was there to the end
        reader.rollback()


@contextlib.contextmanager
def autovacuum() -> Iterator[None]:
    """Have the server vacuum by itself; afterwards it does as before."""
    with psycopg.connect(SERVER, autocommit=True) as admin:
        row = admin.execute(SETTING).fetchone()
        was, set_here = row or ("off", False)
        _set(admin, "SET autovacuum = 'on'")
        try:
            yield
        finally:
            _set(admin, f"SET autovacuum = '{was}'" if set_here else "RESET autovacuum")


def _set(admin: psycopg.Connection[tuple[object, ...]], clause: str) -> None:
    admin.execute(f"ALTER SYSTEM {clause}".encode())
    admin.execute("SELECT pg_reload_conf()")

"""How connections are made: what each engine is told at first, and whether one that rested still stands."""

from __future__ import annotations

import math
import select
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from app.core import clock

if TYPE_CHECKING:
    import psycopg

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=5000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-65536",
    "PRAGMA wal_autocheckpoint=10000",
)
# Every hot statement goes by key. A new partition has no statistics yet, and a plan made while it was empty
# is kept while it grows to a million rows: the writers' planner is not left the choice (40 times slower).
_BY_KEY = " ".join(f"-c enable_{way}=off" for way in ("hashjoin", "mergejoin", "seqscan", "material"))
# A network that goes dead says nothing: without these a writer would wait for it for a quarter of an hour.
_DEAD_PEER = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# A host without power or cable in mid-transaction leaves its rows locked with the server, and for the lane's
# row all others wait: shorter than a lease. Whoever only reads holds up nobody.
_SILENT_WRITER_MS = 5_000
_SILENT_READER_MS = 60_000
# A connection that rests is asked for a sign of life before a write: never one of a lane at work.
_ASK_AFTER_S = 1.0
WRITER = "loa-write"  # what the writers' connections are called, so that others can wait for their end


def sqlite_engine(url: str) -> Engine:
    """Connections to the file of this URL, whose transactions begin when it is said."""
    Path(make_url(url).database or ".").parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = create_engine(url, pool_size=16, max_overflow=16, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connected(raw: Any, _: Any) -> None:
        raw.isolation_level = None  # by app/database/connection.py, not by the driver
        for pragma in _PRAGMAS:
            raw.execute(pragma)

    return engine


def postgresql_engine(url: str, threads: int, by_key: bool = False) -> Engine:
    """Connections for so many threads; by_key: those of the writers, whose every statement goes by key."""
    silent, more = (_SILENT_WRITER_MS, _BY_KEY) if by_key else (_SILENT_READER_MS, "")
    options = f"-c timezone=UTC -c jit=off -c idle_in_transaction_session_timeout={silent} {more}"
    engine = create_engine(
        url,
        pool_size=threads + 4,
        max_overflow=20,
        pool_timeout=10,
        connect_args={"options": options, "application_name": WRITER if by_key else "loa", **_DEAD_PEER},
    )

    @event.listens_for(engine, "checkin")
    def _put_back(_raw: Any, record: ConnectionPoolEntry) -> None:
        record.info["loa_rests_since"] = clock.monotonic()

    @event.listens_for(engine, "checkout")
    def _taken(raw: Any, record: ConnectionPoolEntry, _: Any) -> None:
        # A read that meets a dead connection is done again; a write must not, so it asks beforehand.
        rested = clock.monotonic() - record.info.get("loa_rests_since", math.inf)
        if _hung_up(raw) or (by_key and rested > _ASK_AFTER_S and not _answers(raw)):
            raise InvalidatePoolError("the server has closed the connection")

    return engine


def _answers(raw: psycopg.Connection) -> bool:
    """Whether the server still knows this connection: one that came back after a power cut says nothing."""
    from psycopg.pq import ExecStatus  # on SQLite nobody waits for this driver

    return raw.pgconn.exec_(b"").status == ExecStatus.EMPTY_QUERY


def _hung_up(raw: psycopg.Connection) -> bool:
    """Whether the server has ended this idle connection: seen at the socket, without asking the server.

    Whatever it says unasked is taken for that: its parting words come before the end itself.
    """
    if raw.closed:
        return True
    looking = select.poll()
    looking.register(raw.fileno(), select.POLLIN)
    return bool(looking.poll(0))


class NotifyListener(threading.Thread):
    """Waits for NOTIFY on a connection of its own; the one-second poll covers it while it is away."""

    def __init__(self, url: str, wake: Callable[[], None]) -> None:
        super().__init__(name="loa-listen", daemon=True)
        self._url = url.replace("postgresql+psycopg://", "postgresql://")
        self._wake = wake
        self._stopping = threading.Event()
        self.start()

    def run(self) -> None:
        import psycopg

        while not self._stopping.is_set():
            try:
                self._listen()
            except psycopg.Error:
                self._stopping.wait(1.0)

    def _listen(self) -> None:
        import psycopg

        with psycopg.connect(self._url, autocommit=True, connect_timeout=5) as connection:
            connection.execute("LISTEN loa")
            while not self._stopping.is_set():
                for _ in connection.notifies(timeout=0.5, stop_after=1):
                    self._wake()

    def stop(self) -> None:
        self._stopping.set()
        self.join(timeout=3)


def insert_new(connection: Connection, table: Table) -> Any:
    """An INSERT that leaves out a row whose key another process has written meanwhile."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import postgresql  # on SQLite nobody waits for it

    return postgresql.insert(table).on_conflict_do_nothing()

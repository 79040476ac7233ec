"""SQLAlchemy engines for SQLite and PostgreSQL: session settings, and a check of pooled connections."""

from __future__ import annotations

import math
import re
import select
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from app.core import clock
from app.core.errors import DatabaseUnavailable, SetupError
from app.database.listing import translate
from app.database.server_waits import WRITER
from app.database.sqlite_file import damage

# The server works but has rolled back one transaction: statement_timeout, pg_cancel_backend, a deadlock.
STOPPED = {"57014", "40P01", "55P03", "40001"}  # query cancelled, deadlock, no lock, serialization
# This process was suspended in the middle of a transaction, and the server has ended that and the connection.
_SUSPENDED = "25P03"
READ_ONLY = "25006"  # to a writer: a standby answers, or a server on its way to become one


@contextmanager
def translated(*, writing: bool = False) -> Iterator[None]:
    """Turn a lost connection, lock, full disk or deadlock into DatabaseUnavailable, told by its cause.

    writing: also a server that takes no writes. A page that can't be read becomes Damaged, for good.
    """
    try:
        yield
    except DBAPIError as error:
        if damaged := damage(error.orig):
            raise damaged from error
        if is_lost(error) or _passing(error.orig, writing):
            raise unavailable(error.orig) from error
        raise
    except PoolTimeout as error:
        raise DatabaseUnavailable(
            "All database connections are in use. Nothing was changed. Try again."
        ) from error
    except _driver_errors() as error:
        if damaged := damage(error):
            raise damaged from error
        if _passing(error, writing):
            raise unavailable(error) from error
        raise


def driver_error(error: BaseException) -> BaseException | None:
    """Return the driver's exception behind a DatabaseUnavailable."""
    cause = error.__cause__
    return cause.orig if isinstance(cause, DBAPIError) else cause


def is_lost(error: BaseException | None) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _driver_errors() -> tuple[type[Exception], ...]:
    """Return the base exceptions of the loaded drivers; on SQLite psycopg is never imported."""
    psycopg = sys.modules.get("psycopg")
    return (sqlite3.Error, psycopg.Error) if psycopg else (sqlite3.Error,)


def _passing(error: BaseException | None, writing: bool) -> bool:
    """Return whether this is trouble of the database rather than a programming error."""
    if isinstance(error, sqlite3.OperationalError):
        return _sqlite_code(error) in _SQLITE_PASSING
    psycopg = sys.modules.get("psycopg")
    if psycopg is None:
        return False
    state = getattr(error, "sqlstate", None)
    passing = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return passing or state == _SUSPENDED or (writing and state == READ_ONLY)


def _sqlite_code(error: BaseException | None) -> int:
    """Return SQLite's primary result code; 0 for any other error."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


_AWAY = "The database cannot be reached. Nothing was changed. Try again."
_FULL = (
    "The database's disk is full, so this step was not stored; what was stored before it stays. Free "
    "space there, then try again."
)
_FORBIDDEN = (
    "The database cannot be opened or written by this account, so nothing was stored by this step. Check "
    "who owns its folder and files, and that the folder exists."
)
_READ_ONLY = (
    "The database can only be read: a standby, a read-only file or a read-only disk. This step was not "
    "stored. Use the server or disk that takes writes, then try again."
)
_DISK = (
    "The database's disk reports an error, so this step was not stored. Check the disk and the system's "
    "log, then try again."
)
_BUSY = "Another process holds the database, so nothing was changed. Try again."
_REFUSED = (
    "The database server refuses this account or does not know this database. Check the user, the "
    "password and the name in database_url."
)
_BY_SQLITE_CODE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CANTOPEN: _FORBIDDEN,
    sqlite3.SQLITE_PERM: _FORBIDDEN,
    sqlite3.SQLITE_AUTH: _FORBIDDEN,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_IOERR: _DISK,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
}
_BY_SQLSTATE = {"53100": _FULL, READ_ONLY: _READ_ONLY, "58030": _DISK, "28000": _REFUSED, "28P01": _REFUSED}
_BY_SQLSTATE |= {"3D000": _REFUSED}
# libpq gives a connection that was refused no code, but the server's own line.
_REFUSES = re.compile(
    r'FATAL: +(\w+ authentication failed|no pg_hba\.conf entry|(role|database) "[^"]*" does)'
)
_SQLITE_PASSING = _BY_SQLITE_CODE.keys()


def unavailable(error: BaseException | None) -> DatabaseUnavailable:
    """Build the one error for all callers, by its cause.

    They must not learn internal addresses, ports and accounts.
    """
    first = str(error).strip().partition("\n")[0] or "no reason given"
    sentence = _BY_SQLITE_CODE.get(_sqlite_code(error)) or _BY_SQLSTATE.get(
        getattr(error, "sqlstate", None) or ""
    )
    if sentence is None:
        sentence = _REFUSED if _REFUSES.search(str(error)) else _AWAY
    return DatabaseUnavailable(sentence, cause=first)


if TYPE_CHECKING:
    import psycopg

# A commit writes each page that it touches as a whole, and carriers' ids, of no order, touch one for
# each message: small pages halve what it costs the disk. A file keeps the size that it was made with.
_PAGE_BYTES = 1024
# Of pages to be written back, before they are. What is written back is blocks of the file system, and the
# longer the log, the more messages share one.
_LOG_BYTES = 163_840_000
_PRAGMAS = (
    f"PRAGMA page_size={_PAGE_BYTES}",  # before the first page is made
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=5000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-65536",
)
# What every connection asks for at its start; a pooler may be told to drop it.
_ASKED = {"timezone": "UTC", "jit": "off"}
# Every hot statement goes by key. A new partition has no statistics, and a plan made while it was empty is
# kept while it grows to a million rows, so writers' planners get no choice (it would be 40 times slower).
_BY_KEY = {f"enable_{way}": "off" for way in ("hashjoin", "mergejoin", "seqscan", "material")}
# A dead network reports nothing: without these settings a writer would wait a quarter of an hour.
_DEAD_PEER = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# A host that loses power or network in mid-transaction keeps its rows locked on the server, and the link's
# row blocks everyone, so the limit is shorter than a lease. Readers block nobody.
_SILENT = "idle_in_transaction_session_timeout"
_SILENT_WRITER_MS = 5_000
_SILENT_READER_MS = 60_000
_LOSES = (
    "The pooler in front of PostgreSQL hands out connections by transaction and loses prepared statements. "
    "Set max_prepared_statements = 200 in pgbouncer.ini (pgbouncer 1.21 or later), or pool_mode = session."
)
_TOO_FEW = (
    "The pooler in front of PostgreSQL has no free connection for Loa. Set default_pool_size in "
    "pgbouncer.ini to at least 12 for each process of Loa, then start it again."
)
_FREE_WITHIN_S = 5.0
_ASKS, _DROPPED = "loa_asks", "loa_dropped"
# A connection idle for longer is tested before a write, which never happens to a busy link.
_TEST_AFTER_S = 1.0


def sqlite_engine(url: str) -> Engine:
    """Create an engine for the file of this URL, with explicitly begun transactions."""
    Path(make_url(url).database or ".").parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = create_engine(url, pool_size=16, max_overflow=16, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connected(raw: Any, _: Any) -> None:
        raw.isolation_level = None  # app/database/connection.py begins transactions, not the driver
        raw.create_function("translate", 3, translate, deterministic=True)
        for pragma in _PRAGMAS:
            raw.execute(pragma)
        (size,) = raw.execute("PRAGMA page_size").fetchone()
        raw.execute(f"PRAGMA wal_autocheckpoint={_LOG_BYTES // size}")

    return engine


def postgresql_engine(url: str, threads: int, by_key: bool = False) -> Engine:
    """Create an engine for so many threads. by_key: for writers, whose statements all go by key."""
    silent_ms = _SILENT_WRITER_MS if by_key else _SILENT_READER_MS
    asks = {**_ASKED, _SILENT: f"{silent_ms}ms", **(_BY_KEY if by_key else {})}
    options = " ".join(f"-c {name}={value}" for name, value in asks.items())
    engine = create_engine(
        url,
        pool_size=threads + 4,
        max_overflow=20,
        pool_timeout=10,
        pool_use_lifo=True,  # the same connections stay in use, with the statements that they have prepared
        connect_args={"options": options, "application_name": WRITER if by_key else "loa", **_DEAD_PEER},
    )

    @event.listens_for(engine, "connect")
    def _connected(raw: psycopg.Connection, record: ConnectionPoolEntry) -> None:
        raw.autocommit = True
        record.info.update({_ASKS: asks, _DROPPED: _dropped(raw, asks)})
        raw.autocommit = False

    @event.listens_for(engine, "handle_error")
    def _failed(context: ExceptionContext) -> None:
        # Another connection may reach the server that takes writes now.
        if by_key and getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
            context.is_disconnect = True

    @event.listens_for(engine, "checkin")
    def _put_back(_raw: Any, record: ConnectionPoolEntry) -> None:
        record.info["loa_rests_since"] = clock.monotonic()

    @event.listens_for(engine, "checkout")
    def _taken(raw: Any, record: ConnectionPoolEntry, _: Any) -> None:
        # A read on a dead connection is repeated; a write must not be, so the connection is tested first.
        rested = clock.monotonic() - record.info.get("loa_rests_since", math.inf)
        if _was_closed(raw) or (by_key and rested > _TEST_AFTER_S and not _is_alive(raw)):
            raise InvalidatePoolError("the server has closed the connection")

    return engine


def _dropped(raw: psycopg.Connection, asks: Mapping[str, str]) -> dict[str, str]:
    """Return what the server has in place of settings that were asked for at the start of this connection."""
    has = ", ".join(f"current_setting('{name}')" for name in asks if name != _SILENT)
    ms = f"extract(epoch FROM current_setting('{_SILENT}')::interval) * 1000"
    row = raw.execute(f"SELECT ({ms})::int || 'ms', {has}").fetchone() or ()  # names of ours
    found = dict(zip((_SILENT, *(name for name in asks if name != _SILENT)), row, strict=True))
    return {name: found[name] for name, value in asks.items() if found[name] != value}


def restore_dropped(connection: Connection) -> None:
    """Set what a pooler has dropped, for this transaction.

    A session's SET would go to other clients of a pooler that hands out connections by transaction.
    """
    if found := dropped(connection):
        asks = asked(connection)
        each = ", ".join(f"set_config('{name}', '{asks[name]}', true)" for name in found)
        connection.exec_driver_sql(f"SELECT {each}")


def dropped(connection: Connection) -> Mapping[str, str]:
    """Return the settings that a pooler has dropped from this connection, with the server's own values."""
    found: Mapping[str, str] = connection.info.get(_DROPPED, {})
    return found


def asked(connection: Connection) -> Mapping[str, str]:
    """Return the settings that this connection asks for."""
    found: Mapping[str, str] = connection.info[_ASKS]
    return found


def serves_all(name: str) -> str:
    """Return the value that all connections ask for; "" if readers and writers need different ones."""
    return _ASKED.get(name, "")


def _is_alive(raw: psycopg.Connection) -> bool:
    """Return whether the server still knows this connection; after a power cut it would stay silent."""
    from psycopg.pq import ExecStatus  # imported late, to save SQLite users the time

    return raw.pgconn.exec_(b"").status == ExecStatus.EMPTY_QUERY


def _was_closed(raw: psycopg.Connection) -> bool:
    """Return whether the server has closed this idle connection, by its socket and without asking the server.

    Any unsolicited data counts, because a closing message precedes the end itself.
    """
    if raw.closed:
        return True
    looking = select.poll()
    looking.register(raw.fileno(), select.POLLIN)
    return bool(looking.poll(0))


def require_prepared_statements(url: str) -> None:
    """Raise SetupError for a pooler that hands out connections by transaction and loses statements.

    Also for one without two more connections: each query would wait for minutes.
    """
    import psycopg

    plain = url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain, autocommit=True) as first, psycopg.connect(plain) as other:
        _require_answer(first, b"")
        first.execute("SELECT 1 AS probe", prepare=True)
        # Takes, for a transaction, the connection that the first has given back.
        _require_answer(other, b"BEGIN")
        _require_answer(first, b"")
        try:
            first.execute("SELECT 1 AS probe", prepare=True)
        except (psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement):
            raise SetupError(_LOSES) from None


def _require_answer(raw: psycopg.Connection, statement: bytes) -> None:
    """Raise SetupError unless the pooler has a connection for this statement within some seconds."""
    raw.pgconn.send_query(statement)
    looking = select.poll()
    looking.register(raw.fileno(), select.POLLIN)
    if not looking.poll(_FREE_WITHIN_S * 1000):
        raw.close()
        raise SetupError(_TOO_FEW)
    while raw.pgconn.get_result() is not None:
        pass


class NotifyListener(threading.Thread):
    """Wait for NOTIFY on a separate connection; while that is lost, the one-second poll suffices."""

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
    """Return an INSERT that skips rows whose key another process has inserted."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import postgresql  # imported late, to save SQLite users the time

    return postgresql.insert(table).on_conflict_do_nothing()

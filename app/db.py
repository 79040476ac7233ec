"""The connection to SQLite or PostgreSQL: the only place that begins, commits and waits for a database."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
import structlog
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from app.errors import Away, SetupError

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

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
_BY_KEY = "-c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off"
# A network that goes dead says nothing: without these a writer would wait for it for a quarter of an hour.
_DEAD_PEER = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_SQLITE_PASSING = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
)


class Database:
    """One database. Writes on SQLite pass through one thread; PostgreSQL has a few.

    `write` and `read` take a function whose first argument is the connection, and run it in one
    transaction: committed when it returns, rolled back when it raises.
    """

    def __init__(self, url: str, *, threads: int = 4) -> None:
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._lock = _lock_folder(Path(self.url.database or "")) if self.sqlite else None
        self.engine = _sqlite_engine(url) if self.sqlite else _postgresql_engine(url, threads)
        self._hot = self.engine if self.sqlite else _postgresql_engine(url, threads, _BY_KEY)
        self._writers = ThreadPoolExecutor(1 if self.sqlite else threads, "loa-write")
        self._readers = ThreadPoolExecutor(threads, "loa-read")
        self._wakers: list[Callable[[], None]] = []
        self._listener: _Listener | None = None
        self._away = False

    # ---- one transaction -------------------------------------------------------------------------------

    def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in one write transaction and return what it returned, after the commit."""
        return self._submit(work, *args, **kwargs).result()

    async def awrite(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The same from the event loop."""
        return await asyncio.wrap_future(self._submit(work, *args, **kwargs))

    async def insist(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`awrite`, repeated with growing pauses for as long as the database is away.

        Only for work that may run twice: a commit whose answer was lost is repeated.
        """
        waits = wait_random_exponential(0.05, max=2.0)
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Away), wait=waits, before_sleep=self._note_outage
        ):
            with attempt:
                done = await self.awrite(work, *args, **kwargs)
        if self._away:
            self._away = False
            log.warning("the database is back")
        return done

    def _note_outage(self, state: RetryCallState) -> None:
        """Say it once for each outage, however many wait."""
        if not self._away:
            self._away = True
            error = state.outcome.exception() if state.outcome else None
            log.error("the database is away", reason=error.detail if isinstance(error, Away) else "")

    def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` on a consistent view, without any lock."""
        with self._transaction(writing=False) as connection:
            return work(connection, *args, **kwargs)

    async def aread(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The same from the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: self.read(work, *args, **kwargs))

    def _submit(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        def run() -> T:
            with self._transaction(writing=True) as connection:
                return work(connection, *args, **kwargs)

        return self._writers.submit(run)

    @contextmanager
    def _transaction(self, *, writing: bool) -> Iterator[Connection]:
        with translated(), (self._hot if writing else self.engine).connect() as connection:
            connection = connection.execution_options(loa_writing=writing, postgresql_readonly=not writing)
            if not (writing or self.sqlite):  # statements of one read see one moment, as on SQLite
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            connection.info.pop("loa_wake", None)
            with connection.begin():
                yield connection
            if connection.info.pop("loa_wake", False):
                self._wake()

    # ---- waking ----------------------------------------------------------------------------------------

    def on_wake(self, waker: Callable[[], None]) -> None:
        """Call `waker` (from any thread) whenever some process says that there is something to do."""
        self._wakers.append(waker)
        if not self.sqlite and self._listener is None:
            self._listener = _Listener(self.url.render_as_string(hide_password=False), self._wake)

    def wake(self, connection: Connection) -> None:
        """Say, at this transaction's commit, that there is something to do: once per change of state."""
        if self.sqlite:
            connection.info["loa_wake"] = True
        else:
            connection.exec_driver_sql("NOTIFY loa")

    def _wake(self) -> None:
        for waker in self._wakers:
            waker()

    def close(self) -> None:
        """Finish what is under way and let the database go."""
        if self._listener:
            self._listener.stop()
        self._writers.shutdown()
        self._readers.shutdown()
        self.engine.dispose()
        self._hot.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def connect_patiently(database: Database, seconds: float) -> None:
    """Wait up to `seconds` for a database that is still starting; Away when it does not come."""
    waits = wait_random_exponential(0.1, max=2.0)
    for attempt in Retrying(
        retry=retry_if_exception_type(Away), wait=waits, stop=stop_after_delay(seconds), reraise=True
    ):
        with attempt:
            database.read(lambda connection: connection.exec_driver_sql("SELECT 1"))


@contextmanager
def translated() -> Iterator[None]:
    """A lost connection, a locked or full disk or a deadlock becomes Away: nothing was changed, try again."""
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated or _passing(error.orig):
            raise Away(_away_sentence(error.orig)) from error
        raise
    except PoolTimeout as error:
        raise Away("All connections to the database are in use; nothing was changed, try again.") from error
    except (psycopg.Error, sqlite3.Error) as error:
        if _passing(error):
            raise Away(_away_sentence(error)) from error
        raise


def _passing(error: BaseException | None) -> bool:
    """Whether this is trouble that passes, not a mistake of ours."""
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_PASSING
    if isinstance(error, psycopg.errors.QueryCanceled):
        return False
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def _away_sentence(error: BaseException | None) -> str:
    first = str(error).strip().partition("\n")[0] or type(error).__name__
    return f"The database can't be reached now ({first}); nothing was changed, try again."


def _sqlite_engine(url: str) -> Engine:
    Path(make_url(url).database or ".").parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_size=16, max_overflow=16, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connected(raw: Any, _: Any) -> None:
        raw.isolation_level = None  # transactions are begun below, not by the driver
        for pragma in _PRAGMAS:
            raw.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("loa_writing", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _postgresql_engine(url: str, threads: int, more: str = "") -> Engine:
    options = f"-c timezone=UTC -c jit=off -c idle_in_transaction_session_timeout=60000 {more}"
    return create_engine(
        url,
        pool_size=threads + 4,
        max_overflow=20,
        pool_timeout=10,
        pool_pre_ping=True,
        connect_args={"options": options, "application_name": "loa", **_DEAD_PEER},
    )


def _lock_folder(file: Path) -> int:
    """Hold the SQLite folder for this process; a second Loa is refused in words."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(handle, 64).decode("ascii", "replace").strip() or "unknown"
        os.close(handle)
        raise SetupError(
            f"Another Loa (process {holder}) is using the folder {file.parent}. SQLite serves one process: "
            "stop that one, speak to it over HTTP, choose another folder with LOA_DATA, or set "
            "LOA_DATABASE_URL to a PostgreSQL server, which any number of processes may share."
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    return handle


class _Listener(threading.Thread):
    """Waits for NOTIFY on a connection of its own; the one-second poll covers it while it is away."""

    def __init__(self, url: str, wake: Callable[[], None]) -> None:
        super().__init__(name="loa-listen", daemon=True)
        self._url = url.replace("postgresql+psycopg://", "postgresql://")
        self._wake = wake
        self._stopping = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except psycopg.Error:
                self._stopping.wait(1.0)

    def _listen(self) -> None:
        with psycopg.connect(self._url, autocommit=True, connect_timeout=5) as connection:
            connection.execute("LISTEN loa")
            while not self._stopping.is_set():
                for _ in connection.notifies(timeout=0.5, stop_after=1):
                    self._wake()

    def stop(self) -> None:
        self._stopping.set()
        self.join(timeout=3)

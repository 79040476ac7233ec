"""Database access: the only module that begins and commits transactions and waits for the database."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Executable, event, make_url
from sqlalchemy.exc import IntegrityError
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from app.core import clock
from app.core.errors import Damaged, DatabaseUnavailable, passes
from app.core.logger import get_logger
from app.database import audit_memory, engines, server_waits
from app.database.audit_heads import AuditHead
from app.database.audit_memory import ChainMemory
from app.database.engines import STOPPED, driver_error, is_lost, translated
from app.database.sqlite_file import Soundness, lock_folder
from app.database.write_watch import WriteWatch

log = get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_SERVER_MS = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_WRITERS = f"""
    SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = '{server_waits.WRITER}'
       AND pid <> pg_backend_pid() AND xact_start <= to_timestamp(%(until)s / 1000.0) + interval '1 ms'
"""  # noqa: S608 - a constant of ours; the moment is bound
_SETTLE_S = 30.0


class Database:
    """One database. Writes go through one thread on SQLite, through several on PostgreSQL.

    `write` and `read` run a function, whose first argument is the connection, in one transaction: committed
    when it returns, rolled back when it raises.
    """

    def __init__(
        self,
        url: str,
        *,
        threads: int = 4,
        keys: Sequence[bytes] = (),
        price: Callable[[str, str], Decimal | None] | None = None,
        on_head: Callable[[AuditHead], None] | None = None,
        beside: bool = False,
    ) -> None:
        """keys: sign rows that nobody may forge (app/security/row_stamps.py), the current key first.

        price: what an SMS part costs by carrier and purpose (app/core/config.py). on_head: called
        with the head of the audit's chain after commits that want it kept outside. beside: another process
        may have the SQLite file, such as `loa up`.
        """
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        file = Path(self.url.database or "") if self.sqlite else None
        self._lock = lock_folder(file, beside=beside) if file else None
        self.is_alone = self._lock is not None
        self.soundness = Soundness(file)
        self.engine = engines.sqlite_engine(url) if self.sqlite else engines.postgresql_engine(url, threads)
        self._hot = self.engine if self.sqlite else engines.postgresql_engine(url, threads, by_key=True)
        self.chain_memory = ChainMemory()
        self._watch = WriteWatch(self._waited_for, lambda: self.unavailable, self._gives_up)
        for each in {self.engine, self._hot}:
            each.update_execution_options(
                loa_keys=tuple(keys),
                loa_price=price,
                loa_chain_memory=self.chain_memory,
                loa_is_away=lambda: self.away,
            )
        for each in {self.engine, self._hot}:
            event.listen(each, "begin", _begin if self.sqlite else engines.restore_dropped)
        self._writers = ThreadPoolExecutor(1 if self.sqlite else threads, "loa-write")
        self._readers = ThreadPoolExecutor(threads, "loa-read")
        self._wakers: list[Callable[[], None]] = []
        self._listener: engines.NotifyListener | None = None
        self.unavailable = False
        self._repeating = 0  # pieces of work that have failed and are repeated
        self._is_given_up = False
        self.is_lost: dict[bool, float] = {}  # since when reading (False) or writing (True) fails, monotonic
        self._on_head = on_head
        self._stop_order: tuple[float, float] | None = (
            None  # when the process was told to stop, patience in s
        )

    def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in one write transaction and return its result after the commit."""
        return self._submit(False, work, *args, **kwargs).result()

    async def awrite(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await asyncio.wrap_future(self._submit(False, work, *args, **kwargs))

    async def write_with_retry(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do `awrite`, repeated with growing pauses while the database is unreachable.

        Only for work that may run twice, since a commit whose answer was lost is repeated. Raises
        DatabaseUnavailable only if the process is stopping and has waited long enough.
        """
        return await self._retrying(lambda: self._patient_write(work, *args, **kwargs))

    async def _patient_write(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do `awrite`, but wait for a commit as long as that takes: it is not repeated beside itself."""
        return await asyncio.wrap_future(self._submit(True, work, *args, **kwargs))

    async def read_with_retry(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._retrying(lambda: self.aread(work, *args, **kwargs))

    async def _retrying(self, once: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:  # nearly always; to set up the repetition costs a tenth of a short transaction
            done = await once()
        except DatabaseUnavailable as error:
            if not error.passes:
                raise
            done = await self._repeated(once, error)
        if self.unavailable and not self._repeating:  # what can be read shows nothing of a full disk
            self.unavailable = False
            if self._watch.found is None:
                log.warning("the database is back")
        return done

    async def _repeated(self, once: Callable[[], Coroutine[Any, Any, T]], first: Exception) -> T:
        """Repeat what has failed first by `first`, until it succeeds or fails by something that lasts."""
        waits = wait_random_exponential(0.05, max=2.0)
        self._repeating += 1
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception(passes), wait=waits, before_sleep=self._note_outage, reraise=True
            ):
                with attempt:
                    if attempt.retry_state.attempt_number == 1:
                        raise first
                    done = await once()
            return done
        finally:
            self._repeating -= 1

    @property
    def away(self) -> bool:
        return self.unavailable or self._watch.found is not None

    def _waited_for(self) -> server_waits.ServerWait | None:
        return None if self.sqlite else self.read(server_waits.waited_for)

    def _gives_up(self, waits_since: float | None) -> bool:
        """Return whether this process stops and has waited long enough for writes that wait since then."""
        if waits_since is not None:
            self.is_lost.setdefault(True, waits_since)
        return self._is_patience_over()

    def _note_outage(self, state: RetryCallState) -> None:
        """Log each outage once, however many wait; a statement that the server stopped is not an outage."""
        error = state.outcome.exception() if state.outcome else None
        reason = error.said_here if isinstance(error, DatabaseUnavailable) else ""
        if error is not None and getattr(driver_error(error), "sqlstate", None) in STOPPED:
            log.warning("the database cancelled a statement; retrying", reason=reason)
        elif not self.unavailable:
            if not self.away:
                log.error("the database is away", reason=reason)
            self.unavailable = True

    def end_within(self, seconds: float) -> None:
        """Stop waiting for an unreachable database after `seconds`, because the process is stopping."""
        self._stop_order = self._stop_order or (clock.monotonic(), seconds)

    def _check_patience(self) -> None:
        """Raise DatabaseUnavailable for good if the process is stopping and has waited long enough."""
        if self._stop_order is not None and self._is_patience_over():
            gone = DatabaseUnavailable(
                "The database did not come back within {stop_order} s after the stop request.",
                stop_order=f"{self._stop_order[1]:g}",
            )
            gone.passes = False
            raise gone

    def _is_patience_over(self) -> bool:
        lost = [*self.is_lost.values()]
        if self._stop_order is not None and lost:
            stopped_at, seconds = self._stop_order
            if clock.monotonic() > max(stopped_at, min(lost)) + seconds:
                self._is_given_up = True  # for good: transactions that change nothing may still succeed
        return self._is_given_up

    def read(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` on a consistent view without locks, and once more if its connection was lost."""
        try:
            with self._transaction(writing=False) as connection:
                return work(connection, *args, **kwargs)
        except DatabaseUnavailable as error:
            # The server may be back already; a lost connection invalidates the pool, so the next one is new.
            if not is_lost(error.__cause__):
                raise
        with self._transaction(writing=False) as connection:
            return work(connection, *args, **kwargs)

    async def aread(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, lambda: self.read(work, *args, **kwargs))

    def _submit(
        self, patient: bool, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Queue a write; patient: its answer comes when it is done, however long the database waits."""
        answer: Future[T] = Future()

        def run() -> T | None:
            if not self._watch.take(answer):
                return None
            with self._transaction(writing=True, answer=None if patient else answer) as connection:
                return work(connection, *args, **kwargs)

        if not patient:
            self._watch.queue(answer)
        done = self._writers.submit(copy_context().run, run)
        done.add_done_callback(partial(self._watch.settle, answer))
        return answer

    @contextmanager
    def _transaction(self, *, writing: bool, answer: Future[Any] | None = None) -> Iterator[Connection]:
        self._check_patience()
        if writing:
            self.soundness.require()
        began = clock.monotonic()
        try:
            with self._connected(writing, answer) as connection:
                yield connection
        except DatabaseUnavailable:
            self.is_lost.setdefault(writing, began)
            raise
        except Damaged as error:
            self.soundness.note(error)
            raise
        # A database that can be written can be read; a full disk or a foreign lock only prevents writing.
        self.is_lost.pop(False, None)
        if writing:
            self.is_lost.pop(True, None)

    @contextmanager
    def _connected(self, writing: bool, answer: Future[Any] | None) -> Iterator[Connection]:
        if not writing:
            with self._opened(writing=False) as connection, connection.begin():
                yield connection
            return
        write, committed = self._watch.begin(), False
        write.answer = answer
        try:
            with self._opened(writing=True) as connection:
                if not self.sqlite:
                    write.raw = connection.connection.dbapi_connection
                with connection.begin():
                    write.enter(working=True)
                    yield connection
                    write.enter(working=False)
                committed = True
                self._watch.end(write, committed=True)
                if connection.info.pop("loa_wake", False):
                    self._wake()
                audit_memory.tell(connection, self.chain_memory, self._on_head)
        finally:
            if not committed:
                self._watch.end(write, committed=False)

    @contextmanager
    def _opened(self, *, writing: bool) -> Iterator[Connection]:
        with translated(writing=writing), (self._hot if writing else self.engine).connect() as connection:
            connection = connection.execution_options(loa_writing=writing, postgresql_readonly=not writing)
            if not (writing or self.sqlite):  # all statements of a read see one snapshot, as on SQLite
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            connection.info.pop("loa_wake", None)
            audit_memory.forget(connection)
            yield connection

    def wait_for_commits(self, until_ms: int | None) -> int:
        """Wait until everything with a time up to `until_ms` is committed; return that time.

        Times are in ms since 1970 by the ledger's clock; None means now. Raises ValueError for a future time,
        DatabaseUnavailable if a writer does not finish.
        """
        now = self.write(self.clock_ms)  # on SQLite no other write runs at the same time
        until = now if until_ms is None else until_ms
        if until > now:
            raise ValueError("the moment has not come yet")
        ends = clock.monotonic() + _SETTLE_S
        while not self.read(self._settled, until):
            if clock.monotonic() > ends:
                raise DatabaseUnavailable(
                    "Another long-running change is in progress. Nothing was changed. Try again."
                )
            time.sleep(0.005)
        return until

    def clock_ms(self, connection: Connection) -> int:
        return shared_ms(connection)

    def _settled(self, connection: Connection, until_ms: int) -> bool:
        if self.clock_ms(connection) <= until_ms:
            return False
        return self.sqlite or connection.exec_driver_sql(_WRITERS, {"until": until_ms}).first() is None

    def on_wake(self, waker: Callable[[], None]) -> None:
        """Call `waker` (from any thread) whenever a process signals that there is work."""
        self._wakers.append(waker)
        if not self.sqlite and self._listener is None:
            self._listener = engines.NotifyListener(
                self.url.render_as_string(hide_password=False), self._wake
            )

    def wake(self, connection: Connection) -> None:
        """Signal, when this transaction commits, that there is work: once per change of state."""
        if self.sqlite:
            connection.info["loa_wake"] = True
        else:
            connection.exec_driver_sql("NOTIFY loa")

    def _wake(self) -> None:
        for waker in self._wakers:
            waker()

    def close(self) -> None:
        if self._listener:
            self._listener.stop()
        self._watch.close()
        self._writers.shutdown()
        self._readers.shutdown()
        self.engine.dispose()
        self._hot.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class Joined(Database):
    """The database in one of its write transactions; not for what waits for others (`wait_for_commits`)."""

    def __init__(self, whole: Database, connection: Connection) -> None:
        self.url, self.sqlite, self.engine = whole.url, whole.sqlite, whole.engine
        self._connection = connection

    def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the work now; it is committed or rolled back with everything else."""
        return work(self._connection, *args, **kwargs)

    read = write


def unless_keys_clash(connection: Connection, statement: Executable, values: Mapping[str, Any]) -> int | None:
    """Execute a statement and return how many rows it changed; None, and nothing changed, if keys clash."""
    try:
        with connection.begin_nested():
            return connection.execute(statement, values).rowcount
    except IntegrityError:
        return None


def shared_ms(connection: Connection) -> int:
    """Return the time all processes share, ms since 1970: the server's, or our own on SQLite."""
    if connection.dialect.name == "sqlite":
        return clock.now_ms()
    return int(connection.exec_driver_sql(_SERVER_MS).scalar_one())


def keys_of(connection: Connection) -> tuple[bytes, ...]:
    """Return the keys that this process signs rows with; empty without a secret_key."""
    keys: tuple[bytes, ...] = connection.get_execution_options().get("loa_keys", ())
    return keys


def price_of(connection: Connection, carrier: str, purpose: str) -> Decimal | None:
    """Return đồng for an SMS part by this process's settings; None where no price is set."""
    ask: Callable[[str, str], Decimal | None] | None = connection.get_execution_options().get("loa_price")
    return None if ask is None else ask(carrier, purpose)


def savepoint(connection: Connection) -> AbstractContextManager[object]:
    """Undo what is done inside if it raises, and let the transaction go on."""
    return connection.begin_nested()


def one_at_a_time(connection: Connection, key: int) -> None:
    """Wait until no other transaction holds `key`, and hold it until this one ends."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (int(key),))


def not_during(connection: Connection, key: int) -> None:
    """Wait until nobody holds `key` alone, and keep others from that until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock_shared(%s)", (int(key),))


def connect_patiently(database: Database, seconds: float) -> None:
    """Wait up to `seconds` for a database that is starting; DatabaseUnavailable if it does not."""
    waits = wait_random_exponential(0.1, max=2.0)
    for attempt in Retrying(
        retry=retry_if_exception_type(DatabaseUnavailable),
        wait=waits,
        stop=stop_after_delay(seconds),
        reraise=True,
    ):
        with attempt:
            if database.read(_is_pooled):
                engines.require_prepared_statements(database.url.render_as_string(hide_password=False))


def _is_pooled(connection: Connection) -> bool:
    connection.exec_driver_sql("SELECT 1")
    return bool(engines.dropped(connection))


def _begin(connection: Connection) -> None:
    """Begin a SQLite transaction; a writer locks the file at once."""
    writing = connection.get_execution_options().get("loa_writing", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

"""The database's door: one writer at a time on SQLite, Away in words, waking across processes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog.testing import capture_logs

from app.core import clock
from app.core.errors import DatabaseUnavailable, SetupError
from app.database.connection import Database, connect_patiently
from app.database.engines import translated
from app.database.models import audit as audit_table
from app.database.models import links
from app.security import audit
from tests.app.dispatch.paper import until
from tests.app.world import build
from tests.engines import each_engine
from tests.exact import exactly

database_url = each_engine


def count(c: Connection) -> int:
    return len(c.execute(select(audit_table.c.id)).all())


def test_what_raises_is_rolled_back(db: Database) -> None:
    def spoil(c: Connection) -> None:
        audit.note(c, "a", "b", "c")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        db.write(spoil)
    assert db.read(count) == 0


def test_a_mistake_in_a_statement_is_not_taken_for_a_database_that_is_away(db: Database) -> None:
    with pytest.raises((OperationalError, Exception)) as caught:
        db.write(lambda c: c.execute(text("SELECT nothing FROM nowhere")))
    assert not isinstance(caught.value, DatabaseUnavailable)


def test_a_broken_constraint_is_no_outage(db: Database) -> None:
    row = {"id": 7, "at": 1, "who": "a", "action": "b", "subject": "c", "detail": {}, "hash": "h"}
    with pytest.raises(IntegrityError):
        db.write(lambda c: c.execute(insert(audit_table), [row, row]))


async def test_waking_reaches_every_listener_after_the_commit(database_url: str) -> None:
    first, heard = Database(database_url), threading.Event()
    second = first if first.sqlite else Database(database_url)
    second.on_wake(heard.set)
    try:
        for _ in range(50):  # the listener of PostgreSQL needs a moment to connect
            await first.awrite(lambda c: first.wake(c))
            if heard.wait(0.1):
                break
        assert heard.is_set()
    finally:
        second.close()
        first.close()


def test_a_rolled_back_change_wakes_nobody(sqlite_url: str) -> None:
    db, heard = Database(sqlite_url), threading.Event()
    db.on_wake(heard.set)

    def spoil(c: Connection) -> None:
        db.wake(c)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        db.write(spoil)
    db.write(count)
    assert not heard.is_set()
    db.close()


@pytest.mark.parametrize("size", [None, 4096, 512])
def test_a_file_keeps_its_pages_and_its_log_is_as_long_whatever_their_size(
    tmp_path: Path, size: int | None
) -> None:
    """Small ones where Loa makes it: what a commit touches is written by whole pages."""
    file = tmp_path / "loa.sqlite3"
    if size:
        with closing(sqlite3.connect(file)) as raw:
            raw.execute(f"PRAGMA page_size={size}")
            raw.execute("CREATE TABLE before (a)")
    with closing(Database(f"sqlite:///{file}")) as db:
        asked = [text("PRAGMA page_size"), text("PRAGMA wal_autocheckpoint")]
        pages, log = (db.read(lambda c, each=each: c.execute(each).scalar_one()) for each in asked)
    assert pages == (size or 1024)
    assert log == 163_840_000 // pages


def test_a_second_loa_on_one_folder_is_told_what_to_do(sqlite_url: str) -> None:
    db = Database(sqlite_url)
    with pytest.raises(SetupError, match=r"Another Loa \(process \d+\).*LOA_DATABASE_URL"):
        Database(sqlite_url)
    with closing(Database(sqlite_url, beside=True)) as other:
        assert (db.is_alone, other.is_alone) == (True, False)
        db.write(audit.note, "a", "b", "c")
        other.write(audit.note, "a", "b", "c")
    db.close()
    Database(sqlite_url).close()


@pytest.mark.longer
async def test_a_file_locked_by_another_program_is_waited_for_and_nothing_is_lost(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "app.database.engines._PRAGMAS", ("PRAGMA journal_mode=WAL", "PRAGMA busy_timeout=50")
    )
    db = Database(sqlite_url)
    other = sqlite3.connect(tmp_path / "loa.sqlite3", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable) as caught:
        db.write(audit.note, "a", "b", "c")
    assert "locked" in caught.value.cause
    timer = threading.Timer(0.5, lambda: other.execute("ROLLBACK"))
    timer.start()
    with capture_logs() as said:
        await db.write_with_retry(audit.note, "a", "b", "c")
    assert [line["event"] for line in said] == ["the database is away", "the database is back"]
    assert db.read(count) == 1
    timer.join()
    other.close()
    db.close()


def fail(_: Connection) -> None:
    raise DatabaseUnavailable("The database is away.")


@pytest.mark.parametrize("lost_by", ["read", "write"])
def test_who_is_to_end_waits_for_no_database_that_has_answered_again(db: Database, lost_by: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        getattr(db, lost_by)(fail)
    getattr(db, lost_by)(count)
    db.end_within(0)
    assert db.write(count) == db.read(count) == 0


@pytest.mark.parametrize("lost_by", ["read", "write"])
def test_a_database_that_is_away_is_given_up_by_who_is_to_end(db: Database, lost_by: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        getattr(db, lost_by)(fail)
    db.end_within(0)
    for work in (db.read, db.write):
        with pytest.raises(DatabaseUnavailable, match="did not come back within 0 s"):
            work(count)


def test_that_it_can_still_be_read_does_not_hide_that_nothing_can_be_written(db: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        db.write(fail)
    assert db.read(count) == 0
    db.end_within(0)
    with pytest.raises(DatabaseUnavailable, match="did not come back"):
        db.write(count)


def test_a_server_that_is_not_there_is_away_in_words() -> None:
    db = Database("postgresql+psycopg://root@127.0.0.1:1/none")
    with pytest.raises(
        DatabaseUnavailable, match=exactly("The database cannot be reached. Nothing was changed. Try again.")
    ):
        connect_patiently(db, 0.3)
    db.close()


async def test_a_connection_that_the_server_ends_is_made_anew(new_postgresql_url: str) -> None:
    db = Database(new_postgresql_url)
    kill = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database()"
    )
    db.write(count)
    db.read(lambda c: c.execute(kill).all())
    await db.write_with_retry(audit.note, "a", "b", "c")
    assert db.read(count) == 1
    db.close()


async def test_a_transaction_cut_in_the_middle_is_away_and_not_committed(new_postgresql_url: str) -> None:
    db = Database(new_postgresql_url)

    def cut(c: Connection) -> None:
        audit.note(c, "a", "b", "c")
        pid = c.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        db.read(lambda other: other.exec_driver_sql(f"SELECT pg_terminate_backend({pid})").all())
        audit.note(c, "a", "b", "d")

    with pytest.raises(DatabaseUnavailable):
        db.write(cut)
    assert db.read(count) == 0
    db.close()


@pytest.mark.longer
def test_a_writer_that_falls_silent_lets_others_go_on(new_postgresql_url: str) -> None:
    """A host without power or cable: the server hears nothing from it, and frees its rows in seconds."""
    silent, other = Database(new_postgresql_url), Database(new_postgresql_url)
    locked, go_on = threading.Event(), threading.Event()
    build(silent, 1)
    rename = update(links).values(name="viettel-2")

    def stand_still(c: Connection) -> None:
        c.execute(rename)
        locked.set()
        go_on.wait(60)

    try:
        with ThreadPoolExecutor(2) as threads:
            lost = threads.submit(silent.write, stand_still)
            assert locked.wait(40)
            threads.submit(other.write, lambda c: c.execute(rename)).result(timeout=40)
            assert not lost.done()
            go_on.set()
            with pytest.raises(DatabaseUnavailable):
                lost.result(timeout=40)
    finally:
        go_on.set()
        silent.close()
        other.close()


@pytest.mark.longer
async def test_a_server_that_only_reads_is_away_to_who_writes(new_postgresql_url: str) -> None:
    """After a failover a standby answers; as soon as it takes writes nothing is lost."""
    db, tries = Database(new_postgresql_url), list[int]()

    def work(c: Connection) -> None:
        pid = c.execute(text("SELECT pg_backend_pid()")).scalar_one()
        tries.append(pid)
        if len(tries) < 3:
            c.execute(text("SET TRANSACTION READ ONLY"))
        c.execute(text("CREATE TABLE kept (a int)"))

    await db.write_with_retry(work)
    assert len(set(tries)) == 3, "each by another connection, which may reach another server"
    assert db.read(lambda c: inspect(c).has_table("kept"))
    with pytest.raises(DBAPIError, match="read-only"):
        db.read(lambda c: c.execute(text("CREATE TABLE mistaken (a int)")))
    db.close()


@pytest.mark.longer
async def test_who_was_suspended_in_a_transaction_does_it_again(new_postgresql_url: str) -> None:
    db, tries = Database(new_postgresql_url), list[int]()

    def work(c: Connection) -> None:
        tries.append(1)
        if len(tries) == 1:
            c.execute(text("SET LOCAL idle_in_transaction_session_timeout = 20"))
            time.sleep(0.2)
        c.execute(text("CREATE TABLE kept (a int)"))

    await db.write_with_retry(work)
    assert len(tries) == 2
    db.close()


def test_an_error_of_the_driver_itself_is_away_as_well() -> None:
    with pytest.raises(DatabaseUnavailable), translated():
        raise psycopg.OperationalError("server closed the connection")
    with pytest.raises(DatabaseUnavailable), translated():
        raise psycopg.errors.DeadlockDetected("deadlock detected")
    with pytest.raises(DatabaseUnavailable), translated():
        raise psycopg.errors.IdleInTransactionSessionTimeout("terminating connection")
    with pytest.raises(DatabaseUnavailable), translated(writing=True):
        raise psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), translated():
        raise psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT")
    with pytest.raises(DatabaseUnavailable, match="in use"), translated():
        raise PoolTimeout


@pytest.mark.longer
async def test_the_listener_comes_back_after_its_connection_is_cut(new_postgresql_url: str) -> None:
    db, heard = Database(new_postgresql_url), threading.Event()
    db.on_wake(heard.set)
    kill = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        " AND datname = current_database()"
    )
    await until(lambda: bool(db.read(lambda c: c.execute(kill).all())))

    def woken() -> bool:
        db.write(db.wake)
        return heard.wait(0.05)

    await until(woken)
    db.close()


def test_a_moment_is_settled_once_nothing_older_is_being_written(db: Database) -> None:
    """A writer that began before it holds it up; one that begins later does not."""
    begun, may_end = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        audit.note(connection, "a", "b", "c")
        begun.set()
        may_end.wait(5)

    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(db.write, slow)
        assert begun.wait(5)
        settled = pool.submit(db.wait_for_commits, None)
        time.sleep(0.2)
        assert not settled.done()
        may_end.set()
        assert settled.result(5) <= clock.now_ms()
        writing.result(5)


def test_a_moment_to_come_is_not_settled(db: Database) -> None:
    with pytest.raises(ValueError, match="not come yet"):
        db.wait_for_commits(clock.now_ms() + 60_000)
    assert db.wait_for_commits(1000) == 1000


@pytest.mark.longer
def test_a_lock_in_the_way_is_no_outage(new_postgresql_url: str) -> None:
    """It is waited for, and nobody is told meanwhile that the database is away."""
    db = Database(new_postgresql_url)
    db.write(lambda c: c.exec_driver_sql("CREATE TABLE held (n int)"))
    tries: list[bool] = []

    def work(c: Connection) -> None:
        tries.append(db.away)
        c.exec_driver_sql("SET LOCAL lock_timeout = '30ms'")
        c.exec_driver_sql("LOCK TABLE held")

    async def wait() -> None:
        with db.engine.begin() as other:
            other.exec_driver_sql("LOCK TABLE held")
            waiting = asyncio.create_task(db.write_with_retry(work))
            while len(tries) < 4:  # noqa: ASYNC110 - tries are counted by another thread
                await asyncio.sleep(0.01)
        await waiting

    try:
        asyncio.run(wait())
        assert len(tries) >= 4
        assert not any(tries)
    finally:
        db.close()

"""Writes that wait without an error: Loa says so, tells callers soon, and goes on when the wait is over."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from app.core.errors import DatabaseUnavailable
from app.database import server_waits
from app.database.connection import Database
from app.database.write_watch import UNCONFIRMED
from app.diagnostics.doctor import _writes

pytestmark = pytest.mark.prove

ADD = "UPDATE counted SET n = n + 1"


@pytest.fixture
def db(new_postgresql_url: str) -> Iterator[Database]:
    with closing(Database(new_postgresql_url)) as db:
        db.write(lambda c: c.exec_driver_sql("CREATE TABLE counted (n int)"))
        db.write(lambda c: c.exec_driver_sql("INSERT INTO counted VALUES (0)"))
        yield db


def _add(connection: Connection) -> None:
    connection.exec_driver_sql(ADD)


async def test_a_lock_that_another_program_holds_is_said_and_waited_for(db: Database) -> None:
    with capture_logs() as logged:
        await _held_by_a_console(db)
    said = [line["event"] for line in logged if line["event"].startswith("the database is")]
    assert said == ["the database is away", "the database is back"]


async def _held_by_a_console(db: Database) -> None:
    url = db.url.render_as_string(hide_password=False).replace("+psycopg", "")
    with psycopg.connect(url, application_name="a console") as console:
        console.execute(ADD)
        patient = asyncio.create_task(db.write_with_retry(_add))
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable) as refused:
            await db.awrite(_add)
        assert time.monotonic() - began < 10
        assert refused.value.detail == UNCONFIRMED
        assert "program “a console”" in refused.value.cause
        assert db.away
        assert not db.read(server_waits.takes_changes)
        (symptom,) = db.read(_writes)
        assert not symptom.good
        assert f"pg_terminate_backend({console.info.backend_pid})" in symptom.what
        await db.awrite(lambda c: None)  # what needs no such lock goes through
        console.rollback()
    await asyncio.wait_for(patient, 30)
    while db.away:  # noqa: ASYNC110 - the other write ends in its own thread
        await asyncio.sleep(0.01)
    assert db.read(server_waits.takes_changes)
    assert db.read(lambda c: c.exec_driver_sql("SELECT n FROM counted").scalar()) == 2


async def test_a_long_write_that_works_and_those_behind_it_are_not_taken_for_an_outage(db: Database) -> None:
    ends = threading.Event()

    def long(connection: Connection) -> None:
        for _ in range(40):  # no transaction may be idle for as long as this one works
            connection.exec_driver_sql(ADD)
            ends.wait(0.25)

    working, behind = asyncio.create_task(db.awrite(long)), asyncio.create_task(db.awrite(_add))
    until = time.monotonic() + server_waits.WAITS_AFTER_S + 2
    while time.monotonic() < until:
        assert not db.away
        await asyncio.sleep(0.1)
    assert db.read(server_waits.takes_changes)
    ends.set()
    await asyncio.gather(working, behind)

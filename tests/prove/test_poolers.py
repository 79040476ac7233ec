"""Debian's pgbouncer between Loa and PostgreSQL: nothing that it drops is lost, and the doctor names it."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection

from app.core.errors import DatabaseUnavailable
from app.database.connection import Database
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.faults.ending import all_delivered
from tests.faults.pooler import IGNORED, pooled
from tests.faults.processes import Home, smpp_link
from tests.faults.server import Server
from tests.faults.view import queue

COUNT = 5000
BEHAVIOUR = SmscBehaviour(answer_delay_s=0.02, receipt_delay_s=0.5, receipt_window=500)


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_a_run_goes_through_a_pooler_with_two_workers(
    server: Server, tmp_path: Path, mode: str
) -> None:
    queue(server.url, COUNT)
    with pooled(server, mode, default_pool_size=40) as url:
        home = Home(tmp_path, url)
        try:
            async with Smsc(BEHAVIOUR) as smsc:
                home.configure({"viettel-1": smpp_link("viettel", smsc.port, segments_per_second=1500)})
                home.start("worker")
                home.start("worker")
                await all_delivered(home, smsc, COUNT)
            doctor = await home.command("doctor", "--offline", status=1)
            assert "ALTER ROLE loa SET jit = 'off'" in doctor
            for name in IGNORED.split(", "):
                assert f"A pooler drops {name} = " in doctor
        finally:
            home.end()


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_what_a_pooler_drops_holds_in_each_transaction_all_the_same(server: Server, mode: str) -> None:
    with pooled(server, mode) as url, closing(Database(url)) as db:
        assert db.write(_shown) == ("UTC", "off", "5s", "off", "off")
        assert db.read(_shown) == ("UTC", "off", "1min", "on", "on")


def test_a_pooler_that_drops_nothing_costs_nothing(server: Server) -> None:
    with closing(Database(server.url)) as db:
        assert db.write(_shown) == ("UTC", "off", "5s", "off", "off")
        assert db.write(lambda c: dict(c.info["loa_dropped"])) == {}


async def test_a_pooler_that_loses_prepared_statements_is_refused_in_words(
    server: Server, tmp_path: Path
) -> None:
    with pooled(server, "transaction", max_prepared_statements=0) as url:
        home = Home(tmp_path, url)
        home.configure({"viettel-1": smpp_link("viettel", 1)})
        said = await home.command("worker", status=1)
    assert "max_prepared_statements" in said
    assert "pool_mode = session" in said


@pytest.mark.parametrize(("mode", "size"), [("session", 2), ("transaction", 1)])
async def test_a_pooler_with_too_few_connections_is_refused_in_words(
    server: Server, tmp_path: Path, mode: str, size: int
) -> None:
    with pooled(server, mode, default_pool_size=size) as url:
        home = Home(tmp_path, url)
        home.configure({"viettel-1": smpp_link("viettel", 1)})
        began = time.monotonic()
        said = await home.command("worker", status=1)
    assert "Set default_pool_size" in said
    assert time.monotonic() - began < 30


async def test_a_pooler_without_a_free_connection_is_said_and_waited_for(server: Server) -> None:
    # Two of its own for the look at prepared statements, beside the one by which the server is asked what
    # waits: in a pool of two, each waits for the other for good (docs/operations.md asks for twelve).
    size = 3
    with pooled(server, "session", default_pool_size=size) as url, closing(Database(url)) as db:
        held = [psycopg.connect(url.replace("+psycopg", ""), autocommit=True) for _ in range(size)]
        for each in held:
            each.execute("SELECT 1")
        patient = asyncio.create_task(db.write_with_retry(_shown))
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            await db.awrite(_shown)
        assert time.monotonic() - began < 10
        assert db.away
        for each in held:
            each.close()
        await asyncio.wait_for(patient, 5)
        while db.away:  # noqa: ASYNC110 - the other write ends in its own thread
            await asyncio.sleep(0.05)


def _shown(connection: Connection) -> tuple[str, ...]:
    names = ("timezone", "jit", "idle_in_transaction_session_timeout", "enable_seqscan", "enable_hashjoin")
    return tuple(connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names)

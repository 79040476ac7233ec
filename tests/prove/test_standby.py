"""A synchronous standby that stops lets commits wait without an error: Loa says so, and goes on after."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from app.database import server_waits
from app.database.connection import Database
from app.database.write_watch import NOT_DONE
from app.diagnostics.doctor import _writes
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.faults.ending import all_delivered, settled
from tests.faults.processes import Home, Program, smpp_link
from tests.faults.server import Server
from tests.faults.view import queue

COUNT = 2000
BEHAVIOUR = SmscBehaviour(answer_delay_s=0.02, receipt_delay_s=0.5, receipt_window=500)
NAMES = "synchronous_standby_names"


@pytest.mark.parametrize("way", ["the standby comes back", "it is taken off the list"])
async def test_a_stopped_synchronous_standby_is_said_and_costs_time_only(
    server: Server, tmp_path: Path, way: str
) -> None:
    standby = server.standby("second")
    home = Home(tmp_path, server.url)
    queue(home.url, COUNT)
    server.set(NAMES, "second")
    try:
        async with Smsc(BEHAVIOUR) as smsc:
            link = smpp_link("viettel", smsc.port, segments_per_second=300)
            home.configure({"viettel-1": link}, lease_seconds=2)
            key = await home.command("key", "add", "clerk", "--role", "approver")
            wall = await home.command("key", "add", "screen", "--role", "wall")
            api, worker = home.start("serve"), home.start("worker")
            await home.until(lambda: "listening" in api.words(), "the API listens")
            await home.until(lambda: smsc.taken() >= COUNT // 4, "a quarter is sent")
            async with httpx.AsyncClient(base_url=home.base, timeout=20) as http:
                began = time.monotonic()
                standby.stop()
                await _within(10, began, lambda: _ready(http, 503))
                await _within(10, began, lambda: _said(worker, "the database is away", 1))
                screen = await http.get("/wall", headers=_bearer(wall) | {"Accept": "text/html"})
                assert "Cơ sở dữ liệu hiện không ghi được." in screen.text
                letter = {"number": "303/CAT-PA05", "issued_on": "2024-01-29", "issuer": "CA", "subject": "A"}
                refused = await http.post("/v1/directives", json=letter, headers=_bearer(key))
                assert (refused.status_code, refused.json()["detail"]) == (503, NOT_DONE)
                beside = Home(home.folder, home.url, home.port)
                doctor = await beside.command("doctor", "--offline", status=1)
                assert "for a synchronous standby" in doctor
                assert "synchronous_standby_names is “second”; standbys connected: none" in doctor
                stood = smsc.report()["submits"]
                await asyncio.sleep(5)
                assert smsc.report()["submits"] == stood, "nothing is sent that is not confirmed"
                assert _lines(worker, "the database is away") == 1
                assert (await http.get("/healthz")).status_code == 200
                began = time.monotonic()
                if way == "it is taken off the list":
                    server.set(NAMES, "")
                else:
                    standby.start()
                    began = time.monotonic()
                await _within(1.5, began, lambda: _more(smsc, stood))
                await _within(3, began, lambda: _ready(http, 200))
                await _within(3, began, lambda: _said(worker, "the database is back", 1))
                screen = await http.get("/wall", headers=_bearer(wall) | {"Accept": "text/html"})
                assert "Cơ sở dữ liệu hiện không ghi được." not in screen.text
            await all_delivered(home, smsc, COUNT)
            assert _lines(worker, "the database is away") == _lines(worker, "the database is back") == 1
    finally:
        home.end()
        standby.stop() if not standby.down() else None


async def test_a_worker_told_to_stop_while_commits_wait_for_a_standby_ends_in_time(
    server: Server, tmp_path: Path
) -> None:
    """SIGTERM: it waits as long as it may, says what it could not record, and leaves no process behind."""
    home = Home(tmp_path, server.url)
    queue(home.url, COUNT)
    try:
        async with Smsc(BEHAVIOUR) as smsc:
            link = smpp_link("viettel", smsc.port, segments_per_second=300)
            home.configure({"viettel-1": link}, lease_seconds=2, stop_patience_s=8)
            worker = home.start("worker")
            await home.until(lambda: smsc.taken() >= COUNT // 4, "a quarter is sent")
            server.set(NAMES, "nobody")
            await home.until(lambda: _lines(worker, "the database is away") == 1, "it is said")
            began = time.monotonic()
            assert await worker.stop() == 1
            assert time.monotonic() - began < 15
            server.set(NAMES, "")
            home.start("worker")
            await settled(home, smsc, COUNT)
    finally:
        home.end()


def test_a_standby_that_answers_in_place_of_the_primary_is_not_ready(server: Server) -> None:
    standby = server.standby("second")
    try:
        with closing(Database(standby.url)) as db:
            assert not db.read(server_waits.takes_changes)
            (symptom,) = db.read(_writes)
        assert not symptom.good
        assert symptom.what.startswith("PostgreSQL is a standby here")
        with closing(Database(server.url)) as db:
            assert db.read(server_waits.takes_changes)
            assert [each.good for each in db.read(_writes)] == [True]
            server.set(NAMES, "third")
            (symptom,) = db.read(_writes)
            assert "synchronous_standby_names is “third”; standbys connected: second" in symptom.what
    finally:
        standby.stop()


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def _within(seconds: float, began: float, holds: Callable[[], Awaitable[bool]]) -> None:
    while not await holds():
        assert time.monotonic() < began + seconds, f"not within {seconds:g} s"
        await asyncio.sleep(0.05)


async def _ready(http: httpx.AsyncClient, status: int) -> bool:
    return (await http.get("/readyz")).status_code == status


async def _said(program: Program, event: str, times: int) -> bool:
    return _lines(program, event) == times


async def _more(smsc: Smsc, stood: int) -> bool:
    return bool(smsc.report()["submits"] > stood)


def _lines(program: Program, event: str) -> int:
    return sum(line.get("event") == event for line in program.events())

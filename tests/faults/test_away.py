"""The database away, binds dropped, the carrier throttling: nothing is lost, nothing doubled, all goes on."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import pytest

from app.core.states import DeliveryState
from app.observability.metrics import KEPT_S
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.engines import other_by_hand
from tests.faults.ending import all_delivered, followed_up, settled
from tests.faults.processes import Home, smpp_link
from tests.faults.server import Server
from tests.faults.view import View, queue

AWAY_S = float(os.environ.get("LOA_AWAY_SECONDS", "8"))
COUNT = 2000
RATE = 1500
BEHAVIOUR = SmscBehaviour(answer_delay_s=0.02, receipt_delay_s=0.5, receipt_window=500)


# ---- the database -----------------------------------------------------------------------------------------


@pytest.mark.prove
async def test_postgresql_away_in_mid_run_loses_and_doubles_nothing(server: Server, tmp_path: Path) -> None:
    """T11, T12: stopped as by a power cut; API and worker live on, and say 503 meanwhile."""
    home = Home(tmp_path, server.url)
    queue(home.url, COUNT)
    try:
        async with Smsc(BEHAVIOUR) as smsc:
            # So slowly that much is left to send when the server has stopped, on a busy machine too.
            link = smpp_link("viettel", smsc.port, segments_per_second=RATE // 2)
            home.configure({"viettel-1": link}, lease_seconds=2)
            api = home.start("serve")
            await home.until(lambda: "listening" in api.words(), "the API listens")
            worker = home.start("worker")
            await home.until(lambda: smsc.taken() >= COUNT // 4, "a quarter is sent")
            server.stop()
            async with httpx.AsyncClient(base_url=home.base) as http:
                await _refused(http, "/readyz")
                assert (await http.get("/healthz")).status_code == 200
                stood = await _stands(smsc)
                await asyncio.sleep(AWAY_S)
                assert smsc.report()["submits"] == stood
                assert smsc.binds() == 1
                await _refused(http, "/readyz")
                server.start()
                await asyncio.sleep(KEPT_S)
                assert (await http.get("/readyz")).status_code == 200
                assert api.alive()
                assert worker.alive()
                await home.until(lambda: smsc.report()["submits"] > stood, "sending goes on")
            await all_delivered(home, smsc, COUNT)
    finally:
        home.end()


async def _refused(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path, timeout=20)
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert "The database cannot be reached" in answer.json()["detail"]


async def _stands(smsc: Smsc) -> int:
    """What was declared goes out and no more; how many submits there were."""
    last = -1
    while last != smsc.report()["submits"]:
        last = smsc.report()["submits"]
        await asyncio.sleep(0.5)
    return last


@pytest.mark.prove
async def test_a_locked_sqlite_file_in_mid_run_loses_and_doubles_nothing(sqlite_home: Home) -> None:
    """Another program, a backup say, holds the file; writes over HTTP are refused in words meanwhile."""
    home = sqlite_home
    queue(home.url, COUNT)
    async with Smsc(BEHAVIOUR) as smsc:
        link = smpp_link("viettel", smsc.port, segments_per_second=RATE // 2)
        home.configure({"viettel-1": link})
        key = await home.command("key", "add", "clerk")
        up = home.start("up")
        await home.until(lambda: smsc.taken() >= COUNT // 4, "a quarter is sent")
        headers = {"Authorization": f"Bearer {key}"}
        async with (
            _locked(home.folder / "loa.sqlite3"),
            httpx.AsyncClient(base_url=home.base, headers=headers) as http,
        ):
            began = time.monotonic()
            refused = asyncio.create_task(_refused_write(http))
            stood = await _stands(smsc)
            assert (await http.get("/readyz")).status_code == 200
            await refused
            await asyncio.sleep(max(0.0, began + AWAY_S - time.monotonic()))
            assert smsc.report()["submits"] == stood
            assert smsc.binds() == 1
            assert (await http.get("/readyz")).status_code == 503, "it is said once writes have waited"
        assert up.alive()
        await home.until(lambda: smsc.report()["submits"] > stood, "sending goes on")
        await all_delivered(home, smsc, COUNT)


async def _refused_write(http: httpx.AsyncClient) -> None:
    letter = {"number": "303/CAT-PA05", "issued_on": "2024-01-29", "issuer": "CA", "subject": "Phòng lừa đảo"}
    answer = await http.post("/v1/directives", json=letter, timeout=60)
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0


@asynccontextmanager
async def _locked(file: Path) -> AsyncIterator[None]:
    """The file, locked by another writer."""
    with closing(sqlite3.connect(file, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


# ---- the carrier ------------------------------------------------------------------------------------------


@pytest.mark.prove
@other_by_hand
async def test_every_bind_dropped_again_and_again_loses_and_doubles_nothing(home: Home) -> None:
    """What was on the wire is unknown; receipts settle it after the rebind, and a person what never came."""
    queue(home.url, COUNT)
    async with Smsc(BEHAVIOUR) as smsc:
        link = smpp_link("viettel", smsc.port, segments_per_second=RATE, binds=2)
        home.configure({"viettel-1": link}, lease_seconds=2)
        home.sender()
        for part in range(1, 6):
            target = COUNT * part // 6
            await home.until(lambda n=target: smsc.taken() >= n, f"{target} are sent")
            smsc.drop_all()
        await settled(home, smsc, COUNT)
        await followed_up(home, smsc, COUNT)


@pytest.mark.prove
async def test_a_carrier_that_throttles_nine_tenths_for_a_while_costs_time_only(home: Home) -> None:
    """T04, T35, T38: throttling uses up no patience, and the final receipt is matched."""
    queue(home.url, 2000)
    view = View(home.url)
    async with Smsc(BEHAVIOUR) as smsc:
        home.configure({"viettel-1": smpp_link("viettel", smsc.port, segments_per_second=RATE)})
        home.sender()
        await home.until(lambda: smsc.taken() >= 500, "500 are sent")
        smsc.change(throttle=0.9)
        await asyncio.sleep(AWAY_S)
        assert smsc.report()["throttled"] > 100
        assert view.phones(DeliveryState.REJECTED, DeliveryState.UNKNOWN) == set()
        smsc.change(throttle=0.0)
        await all_delivered(home, smsc, 2000)

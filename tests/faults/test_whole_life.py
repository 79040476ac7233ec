"""The whole life as people live it: three rounds around Tet over three carriers, real processes.

Citizens answer between the rounds, and the consolidated report has it all. A day passes between two rounds:
the programs are stopped, and every stored time is moved back.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.core import clock
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import deliveries, do_not_send
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.engines import each_engine
from tests.faults.journey import CAMPAIGN, LETTER, Api
from tests.faults.processes import Home, smpp_link
from tests.faults.times import move_back
from tests.faults.view import View

database_url = each_engine
RANGES = {"viettel": "0981", "vnpt": "0912", "mobifone": "0901"}
EACH, UNIT = 30, "Sở Tư pháp"
PRICE = 300
SETTINGS = "".join(f'[money.prices.{name}]\ncarrier = "{name}"\ndong = {PRICE}\n' for name in RANGES)


@dataclass(slots=True)
class Office:
    """Loa while it runs, and what its carriers' centres have seen."""

    home: Home
    centres: dict[str, Smsc]
    keys: dict[str, str]

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Api]:
        """Start the programs, and stop them in order in the end."""
        programs = self.home.all()
        own = {"Authorization": f"Bearer {self.keys['author']}"}
        async with httpx.AsyncClient(base_url=self.home.base, headers=own, timeout=60) as http:
            await self.home.until(lambda: "listening" in programs[0].words(), "the API listens")
            await self.home.until(lambda: all(c.binds() for c in self.centres.values()), "links are up")
            yield Api(http, self.home, self.keys["approver"])
        for program in programs:
            assert await program.stop() == 0, program.words()

    def a_day_passes(self) -> None:
        db = Database(self.home.url)
        move_back(db, 1, self.home.folder / "audit-heads")
        db.close()

    def phones(self, carrier: str, state: DeliveryState) -> set[int]:
        d = deliveries.c
        rows = View(self.home.url).rows(select(d.phone).where(d.state == state))
        return {row[0] for row in rows if str(row[0]).startswith(f"84{RANGES[carrier][1:]}")}


@pytest.fixture
async def office(home: Home) -> AsyncIterator[Office]:
    async with contextlib.AsyncExitStack() as stack:
        centres = {}
        for seed, name in enumerate(RANGES, 1):
            behaviour = SmscBehaviour(seed=seed, outcomes="UNDELIV/001=0.4", receipt_delay_s=0.05)
            centres[name] = await stack.enter_async_context(Smsc(behaviour))
        links = {
            f"{n}-1": smpp_link(n, c.port, receipt_level="handset", response_timeout_s=2.0)
            for n, c in centres.items()
        }
        home.configure(links, SETTINGS, lease_seconds=2)
        keys = {}
        for name, role in (("author", "admin"), ("approver", "approver")):
            keys[name] = (await home.command("key", "add", name, "--role", role)).splitlines()[-1]
        yield Office(home, centres, keys)


@pytest.mark.prove
async def test_three_rounds_around_tet(office: Office) -> None:
    async with office.open() as api:
        letter = await api.post("/v1/directives", json=LETTER | {"addressees": [UNIT]})
        await _first_round(office, api, letter["id"])
        refused = await _citizens_answer(office, api)
    for earlier in ([1], [1, 2]):
        office.a_day_passes()
        async with office.open() as api:
            await _follow_up(api, earlier)
            await _still_refused(office, refused)
    async with office.open() as api:
        await _reported(office, api, letter["id"])
    assert office.centres["viettel"].copies(refused) == 1
    verdict = json.loads((await office.home.command("verify", "--json")).splitlines()[-1])
    assert verdict["differences"] == []


def _a_day() -> dict[str, str]:
    """The window of a round, which has begun."""
    start = clock.now() - timedelta(minutes=1)
    ends = start + timedelta(days=1)
    return {"window_start": start.isoformat(), "window_end": ends.isoformat()}


async def _first_round(office: Office, api: Api, directive_id: int) -> None:
    batches = {}
    for carrier, begin in RANGES.items():
        file = office.home.folder / f"{carrier}.csv"
        lines = [f"{begin}{n:06},{'11603' if n % 2 else '12504'}" for n in range(EACH)]
        file.write_text("\n".join(["phone,area", *lines]) + "\n", encoding="utf-8")
        batches[carrier] = await api.upload(carrier, file)
    more = {"directive_id": directive_id, "budget_segments": 10 * EACH} | _a_day()
    campaign_id = (await api.post("/v1/campaigns", json=CAMPAIGN | more))["id"]
    for carrier, one in batches.items():
        wanted = {"carrier": carrier, "batch_ids": [one["id"]], "acknowledged": True}
        await api.post(f"/v1/campaigns/{campaign_id}/runs", json=wanted)
    await _approved_and_sent(api, campaign_id)
    packed = await api.http.get(f"/v1/campaigns/{campaign_id}/kit")
    assert "ap-phich.pdf" in zipfile.ZipFile(io.BytesIO(packed.content)).namelist()


async def _approved_and_sent(api: Api, campaign_id: int) -> None:
    campaign = f"/v1/campaigns/{campaign_id}"
    await api.post(f"{campaign}/submit")
    read = {"digest": (await api.get(campaign))["digest"], "reason": "a test does not wait for the morning"}
    await api.post(f"{campaign}/approve", json=read, headers=api.chief)
    runs = [run["id"] for run in (await api.get(campaign))["runs"]]
    for run in runs:
        await api.post(f"/v1/runs/{run}/start")
    await api.wait({f"/v1/runs/{run}": "finished" for run in runs})


async def _citizens_answer(office: Office, api: Api) -> int:
    """Somebody who was not reached wants no more, and another one reports a scam; the refuser's number."""
    refused = min(office.phones("viettel", DeliveryState.UNDELIVERED))
    office.centres["viettel"].write(str(refused), "8088", "Từ chối")
    office.centres["vnpt"].write(
        "84912000001", "5656", "LD (0987654321) bao toi chuyen tien vao tai khoan an toan"
    )
    listed = select(do_not_send.c.phone).where(do_not_send.c.carrier == "viettel")
    view = View(office.home.url)
    await office.home.until(lambda: view.rows(listed) == [(refused,)], "the opt-out is listed")

    (counted,) = await _until(api, "/v1/inbound-messages/scam-reports", bool)
    assert counted["reports"] == 1
    rows = list(csv.reader((await api.get("/v1/inbound-messages/scam-reports.csv")).splitlines()))
    assert "0987654321" in rows[1] or "84987654321" in rows[1]
    return refused


async def _until(api: Api, path: str, true: Callable[[Any], object]) -> Any:
    """Ask again and again until the answer is as wanted."""
    for _ in range(600):
        found = await api.get(path)
        if true(found):
            return found
        await api.home.until(lambda: True, "the program lives")
        await asyncio.sleep(0.1)
    raise AssertionError(found)


async def _follow_up(api: Api, earlier: list[int]) -> None:
    """The round goes to those whom no round before it has reached."""
    made = await api.post("/v1/campaigns/follow-ups", json={"campaign_ids": earlier} | _a_day())
    campaign_id = made["campaign"]["id"]
    await _until(api, f"/v1/campaigns/{campaign_id}", lambda found: found["follow_up"]["ready"])
    await _approved_and_sent(api, campaign_id)


async def _still_refused(office: Office, refused: int) -> None:
    assert office.centres["viettel"].copies(refused) == 1
    assert sum(centre.report()["copies_max"] > 3 for centre in office.centres.values()) == 0


async def _reported(office: Office, api: Api, directive_id: int) -> None:
    item = {"channel": "loudspeaker", "pieces": 12, "reach": 3500, "minutes": 30}
    told = {"addressee": UNIT, "items": [item]}
    await api.post(f"/v1/directives/{directive_id}/reports", json=told)
    found = await api.get(f"/v1/directives/{directive_id}/report")
    reached = set[int]().union(*(office.phones(name, DeliveryState.DELIVERED) for name in RANGES))
    assert found["unique_reach"]["persons"] == len(reached)
    by_carrier = {each["carrier"]: each["persons"] for each in found["unique_reach"]["by_carrier"]}
    assert by_carrier == {n: len(office.phones(n, DeliveryState.DELIVERED)) for n in RANGES}
    assert {run["campaign_id"] for run in found["runs"]} == {1, 2, 3}
    assert EACH < len(reached) < 3 * EACH
    sent = sum(centre.taken() for centre in office.centres.values())
    assert _cost(found) == sent * PRICE
    assert [(each["channel"], each["pieces"]) for each in found["channels"]] == [("loudspeaker", 12)]


def _cost(report: dict[str, Any]) -> float:
    return sum(float(run["measured"]["cost"]["dong"]) for run in report["runs"])

"""The whole life of a campaign over HTTP against real processes, from upload to verified report."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from app.sample import write_sample
from app.states import DeliveryState
from carriers.simulators.smsc import Manners, Smsc
from tests.faults.processes import Home, smpp_link
from tests.faults.view import View

SUBSCRIBERS = 600
MANNERS = {
    "viettel": Manners(receipt_delay_s=0.2, outcomes="UNDELIV/001=0.05,EXPIRED/027=0.03", out_of_order=True),
    "vnpt": Manners(receipt_delay_s=0.1, early=0.5, twice=0.2, throttle=0.1),
    "mobifone": Manners(unanswered=0.1, refusals="0x0B=0.05", receipt_delay_s=0.3),
}
CAMPAIGN = {"name": "Phòng lừa đảo", "purpose": "canh_bao_khan", "sender": "CA SON LA"}
CAMPAIGN |= {"text_key": "gia-danh-cong-an", "day_starts": "00:00", "day_ends": "24:00"}
LETTER = {
    "number": "303/CAT-PA05",
    "issued_on": "2024-01-29",
    "issuer": "Công an tỉnh",
    "subject": "Tuyên truyền",
}


@contextlib.asynccontextmanager
async def centres() -> AsyncIterator[dict[str, Smsc]]:
    """One message centre for each carrier, each with manners of its own."""
    async with contextlib.AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(Smsc(manners)) for name, manners in MANNERS.items()}


async def test_a_campaign_goes_from_three_files_to_a_verified_report(home: Home) -> None:
    files = write_sample(home.folder / "files", SUBSCRIBERS, seed=3)
    async with centres() as smscs:
        links = {n: smpp_link(n, s.port, response_timeout_s=2.0) for n, s in smscs.items()}
        home.configure(links, lease_seconds=2)
        key = (await home.command("key", "add", "journey")).splitlines()[-1]
        programs = home.all()
        async with httpx.AsyncClient(base_url=home.base, headers={"Authorization": f"Bearer {key}"}) as http:
            await home.until(lambda: all("listening" in p.words() for p in programs[:1]), "the API listens")
            api = _Api(http, home)
            batches = {carrier: await api.upload(carrier, file) for carrier, file in files.items()}
            runs = await api.approved(batches)
            for run in runs.values():
                await _foreseen(api, run)
                assert (await api.post(f"/v1/runs/{run}/start"))["state"] == "running"
            await api.wait({f"/v1/runs/{run}": "finished" for run in runs.values()})
            for carrier, run in runs.items():
                await _reported(api, run, batches[carrier], smscs[carrier])
        for program in programs:
            assert await program.stop() == 0, program.words()
        assert all(smsc.binds() == 0 for smsc in smscs.values())
    view = View(home.url)
    assert (view.leases(), view.listed()) == (0, set())
    verdict = json.loads((await home.command("verify", "--json")).splitlines()[-1])
    assert verdict["differences"] == []


class _Api:
    """Speaks to the API; every answer that is no success fails the test with its own words."""

    def __init__(self, http: httpx.AsyncClient, home: Home) -> None:
        self.http, self.home = http, home

    async def get(self, path: str) -> Any:
        return self._read(await self.http.get(path))

    async def post(self, path: str, **options: Any) -> Any:
        return self._read(await self.http.post(path, **options))

    def _read(self, answer: httpx.Response) -> Any:
        assert answer.is_success, answer.text
        return answer.json() if answer.headers["content-type"].startswith("application/json") else answer.text

    async def wait(self, wanted: dict[str, str]) -> None:
        """Until each of these is in the state that is wanted."""
        seen: dict[str, str] = {}

        async def look() -> None:
            for path in wanted:
                seen[path] = (await self.get(path))["state"]

        for _ in range(300):
            await look()
            if seen == wanted:
                return
            await self.home.until(lambda: True, "the program lives")
            await asyncio.sleep(0.1)
        raise AssertionError(seen)

    async def upload(self, carrier: str, file: Path) -> dict[str, Any]:
        """Hand a file over and wait for its import; the ready batch."""
        sent = {"files": {"file": (file.name, _content(file), "text/csv")}, "data": {"carrier": carrier}}
        batch = await self.post("/v1/batches", **sent)
        path = f"/v1/batches/{batch['id']}"
        await self.wait({path: "ready"})
        assert (await self.post("/v1/batches", **sent))["id"] == batch["id"]
        ready = await self.get(path)
        assert ready["lines"] == ready["accepted"] + ready["rejected"] + ready["repeated"]
        bad = list(csv.reader((await self.get(f"{path}/bad-lines.csv")).splitlines()))
        assert len(bad) == 1 + ready["rejected"] + ready["repeated"]
        return dict(ready)

    async def approved(self, batches: dict[str, dict[str, Any]]) -> dict[str, int]:
        """An approved campaign with a run for each carrier; the runs' ids."""
        letter = await self.post("/v1/directives", json=LETTER)
        body = CAMPAIGN | {"directive_id": letter["id"]}
        campaign = f"/v1/campaigns/{(await self.post('/v1/campaigns', json=body))['id']}"
        runs = {
            carrier: (
                await self.post(f"{campaign}/runs", json={"carrier": carrier, "batch_ids": [one["id"]]})
            )
            for carrier, one in batches.items()
        }
        await self.post(f"{campaign}/submit")
        digest = (await self.get(campaign))["digest"]
        await self.post(f"{campaign}/approve", json={"digest": digest})
        return {carrier: run["id"] for carrier, run in runs.items()}


async def _foreseen(api: _Api, run: int) -> None:
    forecast = await api.get(f"/v1/runs/{run}/forecast")
    assert forecast["segments"] >= forecast["subscribers"] > 0


async def _reported(api: _Api, run: int, batch: dict[str, Any], smsc: Smsc) -> None:
    """The report's identities hold, and its figures are those that the carrier's own centre counted."""
    general = (await api.get(f"/v1/runs/{run}/report"))["general"]
    seen = smsc.report()
    assert seen["copies_max"] == 1
    assert general["eligible_subscribers"] == batch["lines"]
    assert general["sent_messages"] == batch["accepted"]
    assert general["sent_messages"] == general["eligible_subscribers"] - general["excluded_subscribers"]
    ends = ("received_by_handset", "taken_by_operator", "failed", "no_receipt", "unknown")
    assert general["sent_messages"] == sum(general[f"{end}_messages"] for end in ends)
    assert (await api.get(f"/v1/runs/{run}/unknown"))["items"] == []
    assert seen["distinct_numbers"] + seen["refused"] == general["sent_messages"]
    assert (
        len(View(api.home.url).phones(DeliveryState.DELIVERED) & set(smsc.numbers()))
        == (general["received_by_handset_messages"])
    )
    assert seen["receipts_outstanding"] == 0


def _content(file: Path) -> bytes:
    return file.read_bytes()

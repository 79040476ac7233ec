"""The way through the API that every journey goes, and what each report must keep."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import Any

import httpx

from tests.faults.processes import Home

CAMPAIGN = {"name": "Phòng lừa đảo", "purpose": "canh_bao_khan", "sender": "CA SON LA"}
CAMPAIGN |= {"text_key": "gia-danh-cong-an", "day_starts": "00:00", "day_ends": "24:00"}
LETTER = {
    "number": "303/CAT-PA05",
    "issued_on": "2024-01-29",
    "issuer": "Công an tỉnh",
    "subject": "Tuyên truyền",
}


class Api:
    """Speaks to the API; every answer that is no success fails the test with its own words."""

    def __init__(self, http: httpx.AsyncClient, home: Home, chief: str) -> None:
        """chief: the key of somebody else, who approves."""
        self.http, self.home = http, home
        self.chief = {"Authorization": f"Bearer {chief}"}

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

        for _ in range(600):
            await look()
            if seen == wanted:
                return
            await self.home.until(lambda: True, "the program lives")
            await asyncio.sleep(0.1)
        raise AssertionError(seen)

    async def upload(self, carrier: str, file: Path) -> dict[str, Any]:
        """Hand a file over and wait for its import; the ready batch."""
        sent = {"files": {"file": (file.name, content(file), "text/csv")}, "data": {"carrier": carrier}}
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
        runs = {}
        for carrier, one in batches.items():
            # A file of a few lines, of which one is bad, is known to be right.
            wanted = {"carrier": carrier, "batch_ids": [one["id"]], "acknowledged": True}
            runs[carrier] = await self.post(f"{campaign}/runs", json=wanted)
        await self.post(f"{campaign}/submit")
        digest = (await self.get(campaign))["digest"]
        read = {"digest": digest, "reason": "a test does not wait for the morning"}
        await self.post(f"{campaign}/approve", json=read, headers=self.chief)
        return {carrier: run["id"] for carrier, run in runs.items()}


async def reported(api: Api, run: int, batch: dict[str, Any]) -> dict[str, int]:
    """The general figures of the run's report, whose identities hold."""
    found = (await api.get(f"/v1/runs/{run}/report"))["general"]
    # What no receipt of the link can prove has no figure.
    general = {name: 0 if figure is None else figure for name, figure in found.items()}
    assert general["eligible_subscribers"] == batch["lines"]
    assert general["sent_messages"] == batch["accepted"]
    assert general["sent_messages"] == general["eligible_subscribers"] - general["excluded_subscribers"]
    ends = ("received_by_handset", "taken_by_operator", "failed", "no_receipt", "unknown")
    assert general["sent_messages"] == sum(general[f"{end}_messages"] for end in ends)
    return general


def content(file: Path) -> bytes:
    """The bytes of a file to upload."""
    return file.read_bytes()

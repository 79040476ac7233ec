"""API client of the drill, which retries every request until it is answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

from app.core import clock
from app.core.errors import SetupError
from tests.drill.processes import PATIENCE_S, Stuck

CLIENTS = 50
_PAUSE_S = 0.1
_AGAIN = (429, 503)
_LETTER = {"issued_on": "2024-01-29", "issuer": "Công an tỉnh", "subject": "Diễn tập"}
_CAMPAIGN = {"purpose": "canh_bao_khan", "sender": "CONG AN", "day_starts": "00:00", "day_ends": "24:00"}
_TEXT = "Canh giac lua dao qua dien thoai."


@dataclass(frozen=True, slots=True)
class DrillClient:
    """Calls the API with an author's key, and approves with another person's."""

    http: httpx.AsyncClient
    author: str
    chief: str

    async def ask(self, method: str, path: str, *, as_chief: bool = False, **options: Any) -> Any:
        """Return the answer, with retries; raises SetupError if refused, Stuck if none comes."""
        key = options.pop("key", None)
        headers = {"Authorization": f"Bearer {self.chief if as_chief else self.author}"}
        headers |= {"Idempotency-Key": key} if key else {}
        ends = clock.monotonic() + PATIENCE_S
        while clock.monotonic() < ends:
            try:
                answer = await self.http.request(method, path, headers=headers, **options)
            except httpx.TransportError:
                await asyncio.sleep(_PAUSE_S)
                continue
            if answer.is_success:
                return answer.json()
            if answer.status_code not in _AGAIN:
                raise SetupError(f"{method} {path} is answered {answer.status_code}: {answer.text[:500]}")
            await asyncio.sleep(_PAUSE_S)
        raise Stuck(f"No answer to {method} {path} within {PATIENCE_S:g} s.")

    async def ready(self) -> bool:
        try:
            return (await self.http.get("/readyz", timeout=5)).status_code == 200
        except httpx.TransportError:
            return False

    async def upload(self, name: str, content: bytes, carrier: str, clients: int = 1) -> dict[str, Any]:
        """Upload a file from several clients under one key, and wait for its import; return the batch."""
        sent: dict[str, Any] = {"files": {"file": (name, content, "text/csv")}, "data": {"carrier": carrier}}
        asks = [self.ask("POST", "/v1/batches", key=f"upload-{name}", **sent) for _ in range(clients)]
        ids = {answer["id"] for answer in await asyncio.gather(*asks)}
        if len(ids) != 1:
            raise SetupError(f"The same upload has become {len(ids)} batches.")
        path = f"/v1/batches/{ids.pop()}"
        ends = clock.monotonic() + PATIENCE_S
        while (batch := await self.ask("GET", path))["state"] != "ready":
            if batch["state"] == "failed" or clock.monotonic() > ends:
                raise Stuck(f"The import of {name} does not end: {batch}")
            await asyncio.sleep(_PAUSE_S)
        return dict(batch)

    async def approved(self, number: str, batch: int, carrier: str) -> int:
        """Create a campaign with one run, approved by another person; return the run's id."""
        letter = await self.directive(number)
        body = _CAMPAIGN | {"name": number, "text": _TEXT, "directive_id": letter["id"]}
        campaign = (await self.ask("POST", "/v1/campaigns", json=body, key=f"campaign-{number}"))["id"]
        path = f"/v1/campaigns/{campaign}"
        wanted = {"carrier": carrier, "batch_ids": [batch]}
        run = await self.ask("POST", f"{path}/runs", json=wanted, key=f"run-{number}")
        await self.ask("POST", f"{path}/submit", key=f"submit-{number}")
        digest = (await self.ask("GET", path))["digest"]
        read = {"digest": digest, "reason": "a drill does not wait for the morning"}
        await self.ask("POST", f"{path}/approve", json=read, as_chief=True, key=f"approve-{number}")
        return int(run["id"])

    async def directive(self, number: str) -> Any:
        """Create a directive under a key of its own, so that it exists once."""
        return await self.ask("POST", "/v1/directives", json=_LETTER | {"number": number}, key=f"l-{number}")

    async def start(self, run: int, clients: int = 1) -> None:
        """Start the run from several clients under one key."""
        asks = [self.ask("POST", f"/v1/runs/{run}/start", key=f"start-{run}") for _ in range(clients)]
        answers = await asyncio.gather(*asks)
        if any(answer != answers[0] for answer in answers):
            raise SetupError(f"Run {run} was started with different answers to the same request.")

"""Post receipts to a webhook until they are acknowledged, signed if there is a secret."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from carriers.options import VIETNAM
from carriers.signature import sign
from carriers.simulators.process import Counters
from carriers.simulators.randomness import Outcome, ReceiptPlan
from carriers.simulators.web.behaviour import WebBehaviour

PATIENCE_S = 10.0
POSTS = 4  # at once
GATHER_S = 0.05  # for which an array waits to be full
PAUSE_S = 0.5  # before a post that was not acknowledged is repeated
# Statuses that acknowledge, and that refuse for good; posts with any other status are repeated.
GOOD, FOR_GOOD = (200, 202, 204), (400, 401, 403, 404, 405, 413, 415, 422)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where receipts go: the URL (may hold a login for Basic), and the signing secret, if any."""

    url: str
    secret: str = field(default="", repr=False)


@dataclass(slots=True, eq=False)
class WebMessage:
    """One message taken; `done_at` (aware): when its outcome was decided, None while pending."""

    index: int
    phone: str
    text: str
    sender: str
    request_id: str
    segments: int
    outcome: Outcome
    reporting: ReceiptPlan
    taken_at: datetime
    done_at: datetime | None = None

    @property
    def status(self) -> str:
        """The carrier's current status: "" while pending."""
        return self.outcome.status if self.done_at else ""


@dataclass(slots=True)
class WebCounters(Counters):
    requests: int = 0


def receipt(message: WebMessage) -> dict[str, Any]:
    """Build a receipt in the generic mapping; without a request id if the carrier took none."""
    named = {"request_id": message.request_id} if message.request_id else {}
    return {
        **named,
        "message_id": f"m{message.index}",
        "msisdn": message.phone,
        "status": message.outcome.status,
        "error": message.outcome.error,
        "mt_count": message.segments,
        "done_at": (message.done_at or message.taken_at).astimezone(VIETNAM).isoformat(timespec="seconds"),
    }


class WebhookPoster:
    """A queue of receipts with some concurrent posts."""

    def __init__(self, webhook: Webhook, tally: WebCounters, behaviour: WebBehaviour) -> None:
        self._webhook, self._tally, self.behaviour = webhook, tally, behaviour
        self._queue: deque[dict[str, Any]] = deque()
        self._waiting = asyncio.Event()
        self._under_way = 0
        # The URL is on this machine or given by hand: ignore proxies of the environment.
        self._client = httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False)
        self._workers = [asyncio.create_task(self._work()) for _ in range(POSTS)]

    def add(self, message: WebMessage) -> None:
        self._queue.extend([receipt(message)] * message.reporting.times)
        self._waiting.set()

    def outstanding(self) -> int:
        return len(self._queue) + self._under_way

    async def close(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await self._client.aclose()

    async def _work(self) -> None:
        while True:
            await self._waiting.wait()
            most = max(1, self.behaviour.receipt_batch)
            if len(self._queue) < most != 1:
                await asyncio.sleep(GATHER_S)
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), most))]
            if not batch:
                self._waiting.clear()
                continue
            self._under_way += len(batch)
            try:
                await self.post(batch)
            finally:
                self._under_way -= len(batch)

    async def post(self, batch: Sequence[dict[str, Any]]) -> None:
        body = json.dumps(batch[0] if self.behaviour.receipt_batch <= 1 else batch).encode()
        tally = self._tally
        while True:
            tally.receipts_sent += len(batch)
            status = await self._send(body)
            if status in GOOD:
                tally.receipts_acknowledged += len(batch)
                return
            if status in FOR_GOOD:
                tally.receipts_refused += len(batch)
                return
            tally.receipts_refused_for_now += len(batch)
            await asyncio.sleep(PAUSE_S)

    async def _send(self, body: bytes) -> int:
        """Return the status of the response; 0 if there is none."""
        headers = {"content-type": "application/json"}
        if self._webhook.secret:
            timestamp = str(int(time.time()))
            headers["x-loa-timestamp"] = timestamp
            headers["x-loa-signature"] = sign(self._webhook.secret, timestamp, body)
        with contextlib.suppress(httpx.HTTPError):
            return (await self._client.post(self._webhook.url, content=body, headers=headers)).status_code
        return 0

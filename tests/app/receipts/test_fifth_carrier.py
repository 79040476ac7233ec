"""A carrier from another package, joined by entry point: it sends, and reads its own webhooks."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx
import pytest

from app.core.config import LinkSettings, Settings
from app.core.errors import SetupError
from app.core.states import DeliveryState
from app.database.connection import Database
from app.observability.metrics import Metrics
from app.runtime.api_app import create_app
from app.runtime.webhooks import webhook_handler
from app.runtime.worker import Worker
from tests.app.dispatch.paper import until
from tests.app.receipts.hooks import problem
from tests.app.world import FIRST_PHONE, build

ADAPTER = '''
"""Pigeons: each takes one message, and the pigeon house calls back."""

from carriers.contract import (
    Accepted, Limits, Receipt, ReceiptLevel, ReceiptStatus, ReceiptsRead, WebhookAnswer,
)


class PigeonCarrier:
    receipt_level = ReceiptLevel.HANDSET
    acknowledgement = WebhookAnswer(b"coo", "text/plain")

    def __init__(self, link):
        self.name = link.name
        self.ring = str(link.options["ring"])
        self.limits = Limits(link.segments_per_second, in_flight=10)

    async def open(self): ...
    async def close(self): ...
    async def ready(self): ...
    async def written(self): ...
    def halted(self): return None
    def segments(self, text): return 1

    async def submit(self, messages):
        return [Accepted((f"pigeon-{sms.phone}",)) for sms in messages]

    def authenticate(self, request):
        return request.headers.get("x-ring") == self.ring

    def parse_receipts(self, request):
        lines = request.body.decode("ascii", "replace").split()
        level = self.receipt_level
        return ReceiptsRead([Receipt(one, None, ReceiptStatus.DELIVERED, level) for one in lines])
'''
DOOR = "/webhooks/viettel/pigeon_1"


def settings(**more: object) -> Settings:
    own = {"carrier": "viettel", "kind": "pigeon", "segments_per_second": 50_000, "ring": "r-0815"}
    return Settings(links={"pigeon_1": LinkSettings(**(own | more))})


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `pip install` leaves a package with an entry point."""
    (tmp_path / "pigeon_carrier.py").write_text(ADAPTER)
    info = tmp_path / "pigeon_carrier-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon-carrier\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[loa.carriers]\npigeon = pigeon_carrier:PigeonCarrier\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


@pytest.mark.longer
async def test_a_fifth_carrier_sends_and_gets_receipts(db: Database) -> None:
    world, own = build(db, 120), settings()
    worker = Worker(db, world.ledger, own, Metrics())
    app = create_app(own, db, worker.metrics, webhook_handler(own, db, worker.inbox))
    working = asyncio.create_task(worker.run())
    await until(lambda: world.states() == {int(DeliveryState.SUBMITTED): 120})
    said = " ".join(f"pigeon-{FIRST_PHONE + n}" for n in range(120))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://loa") as carrier:
        problem(await carrier.post(DOOR, content=said), 403, "webhook-refused")
        answer = await carrier.post(DOOR, content=said, headers={"X-Ring": "r-0815"})
    assert (answer.status_code, answer.content) == (200, b"coo")
    assert answer.headers["content-type"] == "text/plain"
    assert world.states() == {int(DeliveryState.DELIVERED): 120}
    worker.stop()
    await working
    world.check()


@pytest.mark.longer
async def test_what_its_adapter_can_t_have_meant_stops_nobody_else_s_receipts(db: Database) -> None:
    world, own = build(db, 2), settings()
    worker = Worker(db, world.ledger, own, Metrics())
    app = create_app(own, db, worker.metrics, webhook_handler(own, db, worker.inbox))
    working = asyncio.create_task(worker.run())
    await until(lambda: world.states() == {int(DeliveryState.SUBMITTED): 2})
    said = f"pigeon-{FIRST_PHONE} {'x' * 200} a\0b pigeon-{FIRST_PHONE + 1}"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://loa") as carrier:
        answer = await carrier.post(DOOR, content=said, headers={"X-Ring": "r-0815"})
    found = problem(answer, 422, "webhook-unreadable")
    assert [one["field"] for one in found["errors"]] == ["[1]", "[2]"]
    assert world.states() == {int(DeliveryState.DELIVERED): 2}
    worker.stop()
    await working


@pytest.mark.longer
async def test_its_own_webhook_and_a_configured_one_exclude_each_other(db: Database) -> None:
    own = settings(webhook={"token": "path-token-0123456"})
    worker = Worker(db, build(db, 1).ledger, own, Metrics())
    with pytest.raises(SetupError, match="Link pigeon_1: its kind pigeon reads its webhooks by itself"):
        webhook_handler(own, db, worker.inbox)

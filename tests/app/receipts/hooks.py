"""The door for webhooks with an inbox behind it, and a carrier that calls."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import func, select

from app.core import clock
from app.core.config import LinkSettings, Settings, WebhookSettings
from app.database.connection import Database
from app.database.models import quarantine, receipts
from app.observability.metrics import Metrics
from app.receipts.receipt_writer import Inbox
from app.runtime.api_app import create_app
from app.runtime.http_server import listen, server_of
from app.runtime.webhooks import webhook_handler
from carriers.signature import sign
from tests.app.world import FIRST_PHONE, World, accepted, build

LINK = "viettel-1"
DOOR = f"/webhooks/viettel/{LINK}"
TOKEN, SECRET = "path-token-0123456", "hmac-secret-0123456"
ACKNOWLEDGED = b'{"status":1}'


@dataclass(slots=True)
class Door:
    """The application, the inbox that it shares, and a client that is the carrier."""

    app: FastAPI
    inbox: Inbox
    http: httpx.AsyncClient

    async def post(self, document: object, path: str = f"{DOOR}/{TOKEN}", **options: Any) -> httpx.Response:
        """A JSON document."""
        return await self.http.post(path, content=json.dumps(document), **options)

    def counted(self) -> str:
        return self.inbox.metrics.text().decode()


def settings_of(webhook: dict[str, Any] | None = None, **more: Any) -> Settings:
    """One link, whose webhook wants a token in the path."""
    own = WebhookSettings(**({"token": TOKEN} if webhook is None else webhook))
    link = LinkSettings(carrier="viettel", segments_per_second=100, webhook=own)
    return Settings(links={LINK: link}, **more)


@asynccontextmanager
async def door(
    db: Database, world: World, settings: Settings | None = None, *, running: bool = True, **inbox: Any
) -> AsyncIterator[Door]:
    """The door of these settings; `running`: whether the inbox commits."""
    settings = settings or settings_of()
    box = Inbox(db, inbox.pop("ledger", world.ledger), Metrics(), **inbox)
    app = create_app(settings, db, box.metrics, webhook_handler(settings, db, box))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("203.0.113.7", 4711))
    work = asyncio.create_task(box.run()) if running else None
    async with httpx.AsyncClient(transport=transport, base_url="http://loa") as http:
        yield Door(app, box, http)
    box.stop()
    await (work or box.run())


def sent(db: Database, count: int) -> World:
    """Deliveries that the carrier took under the references m2, m3 ..."""
    world = build(db, count, chunk=1000)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, accepted(list(lease.items)), None, 30.0)
    return world


def event(seq: int, status: str = "DELIVRD", **more: object) -> dict[str, object]:
    """A receipt in the generic shape."""
    return {"message_id": f"m{seq}", "msisdn": str(FIRST_PHONE + seq - 2), "status": status} | more


def signed(body: bytes, at: float | None = None) -> dict[str, str]:
    """The headers that sign a body."""
    stamp = str(int(at or clock.now().timestamp()))
    return {"X-Loa-Timestamp": stamp, "X-Loa-Signature": sign(SECRET, stamp, body)}


def kept(db: Database) -> tuple[int, int]:
    """How many receipts are in the journal, and how many wait in quarantine."""

    def count(table: Any) -> int:
        return int(db.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one()))

    return count(receipts), count(quarantine)


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem document, which it must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = dict(answer.json())
    assert found["type"] == f"/docs/errors#{slug}"
    assert found["status"] == status
    return found


@contextmanager
def served(db: Database, world: World, settings: Settings | None = None, **inbox: Any) -> Iterator[str]:
    """The door behind a real server, in a thread with a loop of its own; its address."""
    settings = settings or settings_of()
    box = Inbox(db, world.ledger, Metrics(), **inbox)
    with serving(create_app(settings, db, box.metrics, webhook_handler(settings, db, box)), box) as address:
        yield address


@contextmanager
def serving(app: FastAPI, box: Inbox) -> Iterator[str]:
    """This application and its inbox behind a real server; its address."""
    stop, socket = threading.Event(), listen("127.0.0.1", 0)

    async def serve() -> None:
        server = server_of(app)
        tasks = [asyncio.create_task(box.run()), asyncio.create_task(server.serve([socket]))]
        await asyncio.to_thread(stop.wait)
        server.should_exit = True
        box.stop()
        await asyncio.gather(*tasks)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        stop.set()
        thread.join()

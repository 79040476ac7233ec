"""Webhooks of real processes: what was acknowledged outlives any kill; 503 while the database is away."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import receipts
from tests.app.receipts.hooks import (
    ACKNOWLEDGED,
    DOOR,
    TOKEN,
    event,
    problem,
    sent,
    served,
    settings_of,
)
from tests.engines import other_by_hand
from tests.faults.processes import Home, free_port, smpp_link
from tests.faults.server import Server
from tests.faults.view import View

pytestmark = pytest.mark.prove

PATH = f"{DOOR}/{TOKEN}"
CLIENTS = 20
DELIVERED = DeliveryState.DELIVERED
WEBHOOK = {"webhook.token": TOKEN}


def seeded(url: str, count: int) -> None:
    """Deliveries that the carrier has taken."""
    db = Database(url)
    sent(db, count)
    db.close()


def api(home: Home, **settings: object) -> None:
    """Start what serves the API: with links on SQLite, alone on PostgreSQL."""
    home.configure({"viettel-1": smpp_link("viettel", free_port()) | WEBHOOK}, **settings)
    home.start("up" if home.sqlite else "serve")


async def calling(home: Home, seqs: Iterator[int], taken: list[int], going: Callable[[], bool]) -> None:
    """One carrier that calls until it is told to stop, and notes what was acknowledged."""
    async with httpx.AsyncClient(base_url=home.base, timeout=20) as http:
        while going():
            seq = next(seqs, None)
            if seq is None:
                return
            try:
                answer = await http.post(PATH, json=event(seq))
            except httpx.TransportError:
                continue
            if answer.content == ACKNOWLEDGED:
                taken.append(seq)


async def ready(home: Home) -> None:
    """Wait until it answers."""
    program = home.programs[-1]
    await home.until(lambda: "listening" in program.words(), "the API listens")


@other_by_hand
async def test_what_was_acknowledged_before_kill_9_is_in_the_ledger(home: Home) -> None:
    """T55, T58: and what was not is taken when the carrier repeats it."""
    seeded(home.url, 900)
    api(home)
    await ready(home)
    seqs, taken, killed = iter(range(2, 902)), list[int](), asyncio.Event()
    callers = [
        asyncio.create_task(calling(home, seqs, taken, lambda: not killed.is_set())) for _ in range(CLIENTS)
    ]
    await home.until(lambda: len(taken) >= 150, "some are acknowledged")
    await home.programs[-1].kill()
    killed.set()
    await asyncio.gather(*callers)
    kept = {seq for (seq,) in View(home.url).rows(select(receipts.c.seq).where(receipts.c.changed))}
    assert set(taken) <= kept
    assert len(taken) < 900
    api(home)
    await ready(home)
    again, told = iter(range(2, 902)), list[int]()
    await asyncio.gather(*(calling(home, again, told, lambda: True) for _ in range(CLIENTS)))
    assert sorted(told) == list(range(2, 902))
    assert View(home.url).states() == {DELIVERED: 900}
    changed = select(receipts.c.seq).where(receipts.c.changed)
    assert len(View(home.url).rows(changed)) == 900


@other_by_hand
async def test_sigterm_answers_what_it_has_taken(home: Home) -> None:
    seeded(home.url, 300)
    api(home)
    await ready(home)
    seqs, taken, over = iter(range(2, 302)), list[int](), asyncio.Event()
    callers = [
        asyncio.create_task(calling(home, seqs, taken, lambda: not over.is_set())) for _ in range(CLIENTS)
    ]
    await home.until(lambda: len(taken) >= 50, "some are acknowledged")
    assert await home.programs[-1].stop() == 0, home.programs[-1].words()
    over.set()
    await asyncio.gather(*callers)
    assert View(home.url).states()[DELIVERED] >= len(taken)
    assert TOKEN not in home.programs[-1].log.read_text()


async def test_while_postgresql_is_away_carriers_are_asked_to_repeat(server: Server, tmp_path: Path) -> None:
    """T12, T55: no acknowledgement without a commit; the repetition is taken once it is back."""
    seeded(server.url, 200)
    home = Home(tmp_path, server.url)
    try:
        api(home, webhook_patience_s=0.5)
        await ready(home)
        async with httpx.AsyncClient(base_url=home.base, timeout=30) as http:
            assert (await http.post(PATH, json=event(2))).content == ACKNOWLEDGED
            server.stop()
            for seq in range(3, 30):
                answer = await http.post(PATH, json=event(seq))
                problem(answer, 503, "receipts-busy")
                assert int(answer.headers["retry-after"]) > 0
            server.start()
            everything = [event(seq) for seq in range(2, 202)]
            for _ in range(100):
                answer = await http.post(PATH, json=everything)
                if answer.status_code == 200:
                    break
                problem(answer, 503, "receipts-busy")
                await asyncio.sleep(0.1)
            assert answer.content == ACKNOWLEDGED
        assert home.programs[-1].alive()
        assert View(home.url).states() == {DELIVERED: 200}
    finally:
        home.end()


def test_while_sqlite_is_locked_carriers_are_asked_to_repeat(sqlite_url: str) -> None:
    db = Database(sqlite_url)
    world = sent(db, 3)
    file = sqlite_url.removeprefix("sqlite:///")
    with (
        served(db, world, settings_of(webhook_patience_s=0.3)) as address,
        httpx.Client(base_url=address) as http,
    ):
        assert http.post(PATH, json=event(2)).content == ACKNOWLEDGED
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            problem(http.post(PATH, json=event(3)), 503, "receipts-busy")
            assert world.delivery(3)["state"] == DeliveryState.SUBMITTED
            other.execute("ROLLBACK")
        for _ in range(50):
            answer: Any = http.post(PATH, json=[event(3), event(4)])
            if answer.status_code == 200:
                break
        assert answer.content == ACKNOWLEDGED
    assert world.states() == {int(DELIVERED): 3}
    world.check()
    db.close()


def test_a_real_server_does_not_believe_who_a_caller_says_it_is(db: Database) -> None:
    world = sent(db, 1)
    settings = settings_of({"networks": ["203.0.113.0/24"]})
    with served(db, world, settings) as address, httpx.Client(base_url=address) as http:
        forwarded = {"X-Forwarded-For": "203.0.113.7", "X-Real-IP": "203.0.113.7"}
        problem(http.post(DOOR, json=event(2), headers=forwarded), 403, "webhook-refused")
    trusting = settings_of({"networks": ["203.0.113.0/24"]}, trusted_proxies=["127.0.0.1"])
    with served(db, world, trusting) as address, httpx.Client(base_url=address) as http:
        assert http.post(DOOR, json=event(2), headers=forwarded).content == ACKNOWLEDGED

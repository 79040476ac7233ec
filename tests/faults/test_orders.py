"""Orders and outages in mid-run: a pause holds at once, and a carrier that is away costs next to nothing."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
from sqlalchemy import Connection, select, update

from app.core.states import ChunkState, DeliveryState, RunState
from app.database.connection import Database
from app.database.models import chunks, runs
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.world import World, build
from tests.bench.machinery import cpu_of
from tests.engines import by_default
from tests.faults.ending import all_delivered as all_delivered_by
from tests.faults.ending import stopped, verified
from tests.faults.processes import Home, smpp_link
from tests.faults.view import View, queue
from tests.faults.working import all_delivered, until, working

database_url = by_default

SUB_BATCH = 200


def _order(world: World, state: RunState) -> None:
    def work(connection: Connection) -> None:
        connection.execute(update(runs).values(state=state.value))
        world.db.wake(connection)

    world.db.write(work)


def _leased(world: World) -> bool:
    held = select(chunks.c.first_seq).where(chunks.c.state == ChunkState.LEASED)
    return world.db.read(lambda c: c.execute(held).first()) is not None


@pytest.mark.prove
async def test_a_pause_stops_within_a_sub_batch_and_the_resume_goes_on_at_the_next(db: Database) -> None:
    """T24: at most what was declared before the pause still goes out."""
    world = build(db, 3000)
    async with (
        Smsc(SmscBehaviour(answer_delay_s=0.05)) as smsc,
        working(world, smsc, segments_per_second=1000),
    ):
        await until(lambda: smsc.report()["submits"] >= 700, "700 are sent")
        _order(world, RunState.PAUSED)
        at_once = smsc.report()["submits"]
        await until(lambda: not _leased(world), "what was declared is sent, and the rest handed back")
        stood = smsc.report()["submits"]
        assert stood - at_once <= SUB_BATCH
        await asyncio.sleep(0.5)
        assert smsc.report()["submits"] == stood
        sent = sorted(smsc.numbers())
        assert len(sent) == stood
        # In order, but for what a busy machine had not sent in its own time: a pause stops it as well, while
        # its followers were on their way. It is of what was declared last, and is sent after the resume.
        late = set(range(sent[0], sent[-1])) - set(sent)
        assert not late or min(late) > sent[-1] - SUB_BATCH
        _order(world, RunState.RUNNING)
        await all_delivered(world, smsc, 3000)
        assert smsc.report()["submits"] == 3000


@pytest.mark.prove
async def test_a_carrier_that_is_away_costs_no_processor_and_few_words(home: Home) -> None:
    """T10, T32: held in the ledger, without spinning; sending goes on by itself when the carrier is back."""
    queue(home.url, 5000)
    async with Smsc(SmscBehaviour(receipt_delay_s=0.1)) as smsc:
        link = smpp_link("viettel", smsc.port, segments_per_second=2000, reconnect_max_s=0.5)
        home.configure({"viettel-1": link}, lease_seconds=2)
        sender = home.sender()
        await home.until(lambda: smsc.report()["submits"] >= 1000, "1,000 are sent")
        smsc.stop_accepting()
        smsc.unbind_all()
        await home.until(lambda: smsc.binds() == 0, "the binds are gone")
        await asyncio.sleep(1.0)
        lines, cpu, began = len(list(sender.events())), cpu_of(sender.process.pid), time.monotonic()
        await asyncio.sleep(5.0)
        assert len(list(sender.events())) - lines <= 2
        assert (cpu_of(sender.process.pid) - cpu) / (time.monotonic() - began) < 0.2
        await smsc.start_accepting()
        await all_delivered_by(home, smsc, 5000)


@pytest.mark.prove
async def test_an_upload_that_was_acknowledged_survives_kill_9(home: Home) -> None:
    """T34: the answer 202 means that the file is safe; the next start finishes the import."""
    content = "phone\n" + "".join(f"0912{n:06d}\n" for n in range(40_000))
    home.configure({"vnpt-1": smpp_link("vnpt", 1)})
    key = await home.command("key", "add", "clerk")
    sent = {"files": {"file": ("a.csv", content, "text/csv")}, "data": {"carrier": "vnpt"}}
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=home.base, headers=headers, timeout=30) as http:
        first = home.all()[0]
        await home.until(lambda: "listening" in first.words(), "the API listens")
        answer = await http.post("/v1/batches", **sent)
        assert answer.status_code == 202, answer.text
        for program in home.programs:
            if program.alive():
                await program.kill()
        second = home.all()[0]
        await home.until(lambda: "listening" in second.words(), "the API listens again")
        for _ in range(600):
            batch = (await http.get(f"/v1/batches/{answer.json()['id']}")).json()
            if batch["state"] == "ready":
                break
            await asyncio.sleep(0.1)
        assert (batch["state"], batch["lines"], batch["accepted"]) == ("ready", 40_000, 40_000)
        assert (await http.post("/v1/batches", **sent)).json()["id"] == batch["id"]
    await stopped(home)
    verified(home)
    assert View(home.url).phones(*DeliveryState) == set()

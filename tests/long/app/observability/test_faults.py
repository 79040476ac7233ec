"""One fault stays one fault: what fails is set aside or begun again and shown, and all else goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, func, insert, select, update

from app.core.config import Settings
from app.core.states import DeliveryState, NotSent, RunState
from app.database.connection import Database
from app.database.models import quarantine, run_batches, runs
from app.dispatch.fan_out_job import FanOutJob
from app.dispatch.run_sweeps import advance_due, close_due
from app.ledger.contract import Arrival
from app.observability import faults as kept
from app.observability.faults import Faults, Supervisor
from app.observability.metrics import KEPT_S, Metrics
from app.receipts.receipt_writer import Inbox, match_quarantined
from app.runtime.api_app import create_app
from carriers.contract import Receipt, ReceiptLevel, ReceiptStatus
from tests.app.client import Client
from tests.app.dispatch.paper import until
from tests.app.poison import antidote, poison
from tests.app.world import FIRST_PHONE, World, accepted, add_batch, aside, build, receipt

D, S = int(DeliveryState.DELIVERED), int(DeliveryState.SUBMITTED)


@pytest.fixture
def cured(db: Database) -> Iterator[None]:
    """Databases are used again: nothing that poisons them is left behind."""
    yield
    if db.read(_poisoned):
        antidote(db, "deliveries")


def _poisoned(connection: Connection) -> bool:
    triggers = "SELECT 1 FROM sqlite_master WHERE name = 'poison'"
    if connection.dialect.name != "sqlite":
        triggers = "SELECT 1 FROM pg_proc WHERE proname = 'poison'"
    return connection.exec_driver_sql(triggers).first() is not None


def sent(db: Database, count: int) -> World:
    world = build(db, count, chunk=1000)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    return world


def shown(db: Database) -> list[tuple[str, str]]:
    return [(row.source, row.subject) for row in db.read(kept.present)]


def quarantined(db: Database) -> int:
    return int(db.read(lambda c: c.execute(select(func.count()).select_from(quarantine)).scalar_one()))


async def take(world: World, some: list[Receipt]) -> tuple[list[bool], Inbox]:
    """Bring these by the link's own door; what it acknowledged."""
    inbox, acknowledged = Inbox(world.db, world.ledger, Metrics(), group=20), list[bool]()
    running = asyncio.create_task(inbox.run())
    for each in some:
        inbox.sink(world.link)(each, acknowledged.append)
    await until(lambda: len(acknowledged) == len(some))
    inbox.stop()
    await running
    return acknowledged, inbox


@pytest.mark.usefixtures("cured")
async def test_a_receipt_that_cannot_be_applied_is_set_aside_and_all_others_are(db: Database) -> None:
    world = sent(db, 50)
    poison(db, "UPDATE", "deliveries", "NEW.seq = 7")
    acknowledged, inbox = await take(world, [arrived(f"m{seq}") for seq in range(2, 52)])
    assert acknowledged == [True] * 50
    assert world.states() == {D: 49, S: 1} == world.tallied()
    assert quarantined(db) == 1
    assert shown(db) == [("receipts", "receipt by viettel-1")]
    assert b'loa_faults_total{source="receipts"} 1.0' in inbox.metrics.text()
    antidote(db, "deliveries")
    db.write(lambda c: c.execute(update(quarantine).values(try_at=0)))
    await match_quarantined(db, world.ledger, inbox_faults(db))
    assert world.states() == {D: 50}
    world.check()


def arrived(reference: str | None, phone: str | None = None, raw: str = "") -> Receipt:
    return Receipt(
        reference, phone, ReceiptStatus.DELIVERED, ReceiptLevel.HANDSET, code="0", done_at=None, raw=raw
    )


def inbox_faults(db: Database) -> Faults:
    return Faults(db, Metrics())


@pytest.mark.parametrize(
    "bad",
    [
        arrived("x" * 5000, "84912000001"),
        arrived("m\0", "84912000001", "\0\ud800"),
        arrived("m2", "9" * 40),
        arrived("m2", "+84 912"),
    ],
    ids=["long", "nul", "number", "words"],
)
async def test_whatever_a_receipt_holds_the_others_are_taken(db: Database, bad: Receipt) -> None:
    world = sent(db, 10)
    good = [arrived(f"m{seq}") for seq in range(2, 12)]
    acknowledged, _ = await take(world, [*good[:5], bad, *good[5:]])
    assert acknowledged == [True] * 11
    assert world.states() == {D: 10}


@pytest.mark.usefixtures("cured")
@pytest.mark.parametrize("door", ["webhook", "poll or list of failures"])
async def test_by_another_door_it_is_set_aside_as_well(db: Database, door: str) -> None:
    """Streams, webhooks, polls and lists share what stands behind the door."""
    world = sent(db, 50)
    poison(db, "UPDATE", "deliveries", "NEW.seq = 7")
    arrivals: list[Arrival] = [receipt(world.link, f"m{seq}") for seq in range(2, 52)]
    inbox = Inbox(db, world.ledger, Metrics(), group=20)
    if door == "webhook":
        running = asyncio.create_task(inbox.run())
        assert await inbox.accept(arrivals, "a call", 30.0), "it is acknowledged: all of it is kept"
        inbox.stop()
        await running
    else:
        applied = await inbox.put(arrivals)
        assert (applied.changed, applied.quarantined) == (49, 1)
    assert world.states() == {D: 49, S: 1}
    assert quarantined(db) == 1
    assert shown(db) == [("receipts", "receipt by viettel-1")]


@pytest.mark.usefixtures("cured")
async def test_a_receipt_in_quarantine_that_fails_keeps_no_other_waiting(db: Database) -> None:
    world = build(db, 30, chunk=1000)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.apply, [receipt(world.link, f"x{item.seq}") for item in lease.items])
    db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    early = func.replace(quarantine.c.reference, "x", "m")
    db.write(lambda c: c.execute(update(quarantine).values(try_at=0, reference=early)))
    poison(db, "UPDATE", "deliveries", "NEW.seq = 7")
    await match_quarantined(db, world.ledger, inbox_faults(db))
    assert world.states() == {D: 29, S: 1}
    assert quarantined(db) == 1
    assert await match_quarantined(db, world.ledger, inbox_faults(db)) == 0, "it is left alone for a while"
    [(source, subject)] = shown(db)
    assert (source, subject[:8]) == ("quarantine", "receipt ")


def second_run(world: World) -> World:
    """The same campaign at another carrier, whose batch has no number of the first."""

    def work(c: Connection) -> tuple[int, int]:
        run = {"campaign_id": world.campaign, "carrier": "vnpt", "state": "running", "created_at": 1}
        run_id = c.execute(insert(runs).values(run)).inserted_primary_key[0]
        phones = [FIRST_PHONE + 1_000_000 + n for n in range(50)]
        return run_id, add_batch(c, world.campaign, run_id, phones)

    run, batch = world.db.write(work)
    return World(world.db, world.ledger, world.campaign, run, batch, world.link)


@pytest.mark.usefixtures("cured")
async def test_a_run_that_cannot_be_queued_or_closed_keeps_no_other_waiting(db: Database) -> None:
    first = build(db, 40)
    second = second_run(first)
    db.write(first.ledger.open_campaign, first.campaign)
    poison(db, "INSERT", "deliveries", f"NEW.run_id = {first.run}")
    stand = aside(db)
    for _ in range(4):
        await FanOutJob(db, first.ledger, stand).next()
    assert first.states() == {int(DeliveryState.QUEUED): 50}
    assert shown(db) == [("test", f"run {first.run}")]
    antidote(db, "deliveries")
    first.fan_out()
    poison(db, "UPDATE", "deliveries", f"NEW.run_id = {first.run}")
    closing = {"state": RunState.CANCELLING.value, "closing": int(NotSent.CANCELLED)}
    db.write(lambda c: c.execute(update(runs).values(closing)))
    for _ in range(4):
        await close_due(db, first.ledger, aside(db))
    states = db.read(lambda c: dict(c.execute(select(runs.c.id, runs.c.state)).all()))
    assert states == {first.run: "cancelling", second.run: "cancelled"}


@pytest.fixture
def runs_cured(db: Database) -> Iterator[None]:
    """The same for runs."""
    yield
    if db.read(_poisoned):
        antidote(db, "runs")


@pytest.mark.usefixtures("runs_cured")
async def test_a_run_that_cannot_be_moved_on_keeps_no_other_waiting(db: Database) -> None:
    first = build(db, 40)
    second = second_run(first)
    poison(db, "UPDATE", "runs", f"NEW.id = {first.run}")
    db.write(lambda c: c.execute(update(run_batches).values(fanned_all=True)))
    stand = aside(db)
    while await advance_due(db, first.ledger, stand, 86_400_000):
        pass
    states = db.read(lambda c: dict(c.execute(select(runs.c.id, runs.c.state)).all()))
    assert states == {first.run: "running", second.run: "finished"}
    assert shown(db) == [("test", f"run {first.run}")]


async def test_a_part_that_fails_is_begun_again_and_its_fault_ends(db: Database) -> None:
    begun: list[int] = []
    stopping = asyncio.Event()

    async def part() -> None:
        begun.append(len(begun))
        if len(begun) < 3:
            raise ZeroDivisionError("84912000001")
        await stopping.wait()

    keeping = asyncio.create_task(Supervisor(inbox_faults(db), stopping).keep("part", part))
    await until(lambda: len(begun) == 3)
    [row] = db.read(kept.present)
    assert (row.source, row.times) == ("part", 2)
    assert row.reason.startswith("ZeroDivisionError")
    assert "912" not in row.reason, "an error's words may hold a number"
    stopping.set()
    await asyncio.wait_for(keeping, 5)


def test_readyz_and_the_overview_say_what_fails_and_that_it_is_over(db: Database) -> None:
    app: FastAPI = create_app(Settings(environment="development"), db, Metrics(db))
    client = Client(app)
    assert client.get("/readyz").status_code == 200
    found = inbox_faults(db)
    asyncio.run(found.note("closing", ZeroDivisionError(), "run 7"))
    time.sleep(KEPT_S)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["type"].rpartition("#")[2]) == (503, "faulty")
    assert "closing" in answer.json()["detail"]
    asyncio.run(found.over("closing", "run 7"))
    time.sleep(KEPT_S)
    assert client.get("/readyz").status_code == 200


def test_a_statement_that_the_server_stopped_is_tried_again(db: Database) -> None:
    if db.sqlite:
        pytest.skip("only a server stops statements")
    tries: list[int] = []

    def work(connection: Connection) -> int:
        tries.append(len(tries))
        connection.exec_driver_sql("SET LOCAL statement_timeout = '20ms'")
        connection.exec_driver_sql(f"SELECT pg_sleep({0.5 if len(tries) < 3 else 0})")
        return 7

    assert asyncio.run(db.write_with_retry(work)) == 7
    assert len(tries) == 3
    assert not db.away, "a server that answers is not away"

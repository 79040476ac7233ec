"""Lists of failures: which are read, whose their entries are, and that each is told to the ledger once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, time, timedelta

import pytest
from sqlalchemy import func, insert, select, update
from structlog.testing import capture_logs

from app.core import clock
from app.core.clock import DAY_MS
from app.core.states import CampaignState, DeliveryState, LinkState, RunState
from app.database.connection import Database
from app.database.models import campaigns, deliveries, jobs, quarantine, receipts, runs
from app.database.models import links as links_table
from app.ledger.contract import SubmitOutcome
from app.observability.metrics import Metrics
from app.receipts import failure_list
from app.receipts.failure_list import FailureListCounts, Reconciliation
from app.receipts.receipt_writer import Inbox
from carriers.contract import Halted, ReadError, Reason, Receipt, ReceiptLevel, ReceiptStatus
from tests.app.dispatch.paper import until
from tests.app.receipts.oracle import Oracle, lost, sent, taken
from tests.app.world import FIRST_PHONE, World, add_batch, receipt
from tests.engines import other_by_hand

S, D, F = int(DeliveryState.SUBMITTED), int(DeliveryState.DELIVERED), int(DeliveryState.UNDELIVERED)
SENDER = "CA SONLA"


def today() -> date:
    return clock.local(clock.now()).date()


def entry(nth: int, code: str = "no answer") -> Receipt:
    """The line of a list that names one of the world's subscribers."""
    phone = str(FIRST_PHONE + nth)
    return Receipt(
        None, phone, ReceiptStatus.UNDELIVERED, ReceiptLevel.HANDSET, Reason.OTHER, code, raw="listed"
    )


def started(db: Database, world: World, days_ago: int = 0, ended_days_ago: int | None = None) -> World:
    values: dict[str, object] = {"started_at": clock.now_ms() - days_ago * DAY_MS}
    if ended_days_ago is not None:
        values["ended_at"] = clock.now_ms() - ended_days_ago * DAY_MS
    db.write(lambda c: c.execute(update(runs).values(values)))
    return world


@asynccontextmanager
async def reading(world: World, oracle: Oracle, **more: float) -> AsyncIterator[Reconciliation]:
    inbox = Inbox(world.db, world.ledger, Metrics())
    work = Reconciliation(world.link, oracle, inbox, 2.0, **({"look_s": 0.02} | more))
    task = asyncio.create_task(work.run())
    try:
        yield work
    finally:
        work.stop()
        await asyncio.wait_for(task, 20)


async def tell(world: World, *found: Receipt, day: date | None = None) -> FailureListCounts:
    inbox = Inbox(world.db, world.ledger, Metrics())
    return await failure_list.tell(inbox, world.link, (SENDER, day or today()), found)


@pytest.mark.longer
async def test_an_entry_becomes_a_receipt_once_however_often_the_list_is_read(db: Database) -> None:
    world, oracle = started(db, sent(db, [taken(f"m{n}") for n in range(4)])), Oracle()
    oracle.lists[SENDER, today()] = [entry(0), entry(3)]
    async with reading(world, oracle, every_s=0.01):
        await until(lambda: oracle.read[SENDER, today()] >= 5)
    assert world.states() == {S: 2, F: 2}
    assert world.delivery(2)["reason"] == Reason.OTHER
    journal = select(func.count()).select_from(receipts)
    assert db.read(lambda c: c.execute(journal).scalar_one()) == 2
    assert db.read(lambda c: c.execute(select(func.count()).select_from(quarantine)).scalar_one()) == 0
    world.check()


@pytest.mark.longer
async def test_an_unknown_delivery_on_the_list_has_failed(db: Database) -> None:
    world = sent(db, [lost(), lost(None)])
    assert await tell(world, entry(0), entry(1)) == FailureListCounts(entries=2, new=2)
    assert world.states() == {F: 2}
    world.check()


async def test_who_is_not_on_the_list_stays_as_he_was(db: Database) -> None:
    world = sent(db, [taken("a"), lost()])
    assert await tell(world) == FailureListCounts()
    assert world.states() == {S: 1, int(DeliveryState.UNKNOWN): 1}


@pytest.mark.longer
async def test_a_handset_receipt_is_stronger_than_the_list(db: Database) -> None:
    world = sent(db, [taken("a")])
    db.write(world.ledger.apply, [receipt(world.link, "a")])
    assert (await tell(world, entry(0))).new == 1
    assert (await tell(world, entry(0))) == FailureListCounts(entries=1, known=1)
    assert world.states() == {D: 1}


@pytest.mark.longer
async def test_a_failure_of_a_second_sending_is_not_known_from_the_first(db: Database) -> None:
    world = sent(db, [taken("a")])
    assert (await tell(world, entry(0))).new == 1
    yesterday, again = (
        clock.now_ms() - DAY_MS,
        {"state": S, "failed": 0, "submitted_at": clock.now_ms() - 1000},
    )
    db.write(lambda c: c.execute(update(receipts).values(received_at=yesterday)))
    db.write(lambda c: c.execute(update(deliveries).values(again)))  # a person has had it sent again
    assert await tell(world, entry(0)) == FailureListCounts(entries=1, new=1)


@pytest.mark.longer
async def test_others_messages_under_the_same_sender_are_counted_and_left_alone(db: Database) -> None:
    world = sent(db, [taken("a")])
    assert await tell(world, entry(0), entry(7000)) == FailureListCounts(entries=2, new=1, foreign=1)
    assert db.read(lambda c: c.execute(select(func.count()).select_from(quarantine)).scalar_one()) == 0


@pytest.mark.longer
async def test_a_message_of_a_later_day_is_not_meant(db: Database) -> None:
    world = sent(db, [taken("a")])
    assert (await tell(world, entry(0), day=today() - timedelta(days=1))).foreign == 1
    db.write(lambda c: c.execute(update(deliveries).values(submitted_at=clock.now_ms() - 2 * DAY_MS)))
    assert (await tell(world, entry(0), day=today() - timedelta(days=1))).new == 1
    assert world.states() == {F: 1}


@pytest.mark.longer
@pytest.mark.parametrize(("days", "meant"), [(3, True), (4, False)])
async def test_a_message_of_three_days_before_is_meant_and_no_earlier_one(
    db: Database, days: int, meant: bool
) -> None:
    world = sent(db, [taken("a")])
    db.write(lambda c: c.execute(update(deliveries).values(submitted_at=clock.now_ms() - days * DAY_MS)))
    assert (await tell(world, entry(0))).new == meant


@pytest.mark.longer
async def test_of_two_campaigns_the_one_of_that_day_is_meant_and_a_doubt_is_left_open(db: Database) -> None:
    world = sent(db, [taken("a")])
    _second_campaign(db, world)
    assert await tell(world, entry(0)) == FailureListCounts(entries=1, unclear=1)
    assert world.states() == {S: 3}
    older = update(deliveries).where(deliveries.c.campaign_id == world.campaign)
    db.write(lambda c: c.execute(older.values(submitted_at=clock.now_ms() - 2 * DAY_MS)))
    assert (await tell(world, entry(0))).new == 1
    failed = select(deliveries.c.campaign_id).where(deliveries.c.state == F)
    assert db.read(lambda c: c.execute(failed).scalars().all()) == [world.campaign + 1]


def _second_campaign(db: Database, world: World) -> None:
    """The same sender to the same subscriber on the same day."""
    first = db.read(lambda c: c.execute(select(campaigns)).one())._mapping
    copy = {key: value for key, value in first.items() if key != "id"} | {
        "state": CampaignState.APPROVED.value
    }
    run = {"carrier": "viettel", "state": RunState.RUNNING.value, "created_at": clock.now_ms()}
    made = db.write(lambda c: c.execute(insert(campaigns).values(copy)).inserted_primary_key[0])
    run_id = db.write(
        lambda c: c.execute(insert(runs).values(run | {"campaign_id": made})).inserted_primary_key[0]
    )
    batch = db.write(add_batch, made, run_id, [FIRST_PHONE, FIRST_PHONE + 500])
    other = World(db, world.ledger, made, run_id, batch, world.link)
    other.fan_out()
    lease = other.claim()
    assert lease
    outcomes = [SubmitOutcome(item, taken(f"b{item.seq}")) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)


@pytest.mark.longer
async def test_each_day_of_a_run_is_read_until_three_days_after(db: Database) -> None:
    world, oracle = started(db, sent(db, [taken("a")]), days_ago=9, ended_days_ago=2), Oracle()
    async with reading(world, oracle):
        await until(lambda: len(oracle.read) == 2)
        await asyncio.sleep(0.2)
    assert set(oracle.read) == {(SENDER, today() - timedelta(days=n)) for n in (2, 3)}
    assert set(oracle.read.values()) == {1}  # again in an hour only
    third = datetime.combine(today() - timedelta(days=3), time(), clock.VIETNAM)
    for apart_ms, days in ((1, [3]), (-1, [])):  # its day is read to the end, whatever the hour
        ended = {"ended_at": clock.to_ms(third) + apart_ms}
        db.write(lambda c, ended=ended: c.execute(update(runs).values(ended)))
        found = db.read(failure_list.due, world.link)
        assert found == [(SENDER, today() - timedelta(days=n)) for n in days]


@pytest.mark.longer
async def test_a_run_that_was_over_before_is_not_read(db: Database) -> None:
    world, oracle = started(db, sent(db, [taken("a")]), days_ago=9, ended_days_ago=4), Oracle()
    async with reading(world, oracle):
        await asyncio.sleep(0.3)
    assert not oracle.read


@pytest.mark.longer
async def test_a_list_that_can_not_be_read_is_told_and_read_an_hour_later(db: Database) -> None:
    world, oracle = started(db, sent(db, [taken("a")])), Oracle()
    oracle.lists[SENDER, today()] = ReadError("the carrier answers with a fault")
    with capture_logs() as logs:
        async with reading(world, oracle):
            await until(lambda: len(oracle.read) == 1)
            await asyncio.sleep(0.2)
    assert [log["why"] for log in logs if log["log_level"] == "warning"] == [
        "the carrier answers with a fault"
    ]
    assert oracle.read[SENDER, today()] == 1
    assert world.states() == {S: 1}


@pytest.mark.parametrize("why", ["halted link", "halted row", "closed link"])
async def test_a_halted_or_closed_link_is_not_read(db: Database, why: str) -> None:
    world, oracle = started(db, sent(db, [taken("a")])), Oracle()
    if why == "halted link":
        oracle.refusal = Halted("1", "the account is closed")
    elif why == "closed link":
        oracle.up.clear()
    else:
        db.write(lambda c: c.execute(update(links_table).values(state=LinkState.HALTED.value)))
    async with reading(world, oracle):
        await asyncio.sleep(0.3)
    assert not oracle.read


def lease(db: Database) -> int:
    """Until when somebody has the list of today to himself."""
    query = select(jobs.c.lease_until).where(jobs.c.subject == f"link/1/{SENDER}/{today()}")
    return db.read(lambda c: c.execute(query).scalar_one())


@other_by_hand
@pytest.mark.longer
async def test_two_processes_read_a_list_once_and_one_goes_on_for_a_dead_one(db: Database) -> None:
    world = started(db, sent(db, [taken("a")]))
    dying, heir = Oracle(delay_s=60.0), Oracle()
    heir.lists[SENDER, today()] = [entry(0)]
    inbox = Inbox(db, world.ledger, Metrics())
    dead = asyncio.create_task(Reconciliation(world.link, dying, inbox, 3.0).run())
    await until(lambda: len(dying.read) == 1)
    async with reading(world, heir):
        kept = lease(db)
        await until(lambda: lease(db) > kept)  # a slow list keeps its lease
        assert not heir.read
        dead.cancel()
        await asyncio.gather(dead, return_exceptions=True)
        await until(lambda: world.states() == {F: 1})
    assert heir.read[SENDER, today()] == 1

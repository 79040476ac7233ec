"""The one door: acknowledged after the commit, in groups, in bounded memory; nothing lost as it closes."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from sqlalchemy import func, text, update
from sqlalchemy.exc import DBAPIError

from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import quarantine
from app.observability.faults import Faults
from app.observability.metrics import Metrics
from app.receipts.receipt_writer import Inbox, match_quarantined
from carriers.contract import Receipt, ReceiptLevel, ReceiptStatus
from tests.app.dispatch.paper import until
from tests.app.world import World, accepted, build, receipt


def sent(db: Database, count: int) -> World:
    world = build(db, count, chunk=1000)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    return world


def delivered(reference: str) -> Receipt:
    return Receipt(reference, None, ReceiptStatus.DELIVERED, ReceiptLevel.HANDSET)


@pytest.mark.longer
async def test_a_receipt_is_acknowledged_only_when_it_is_committed(db: Database) -> None:
    world = sent(db, 50)
    inbox = Inbox(db, world.ledger, Metrics(), group=20)
    seen: list[tuple[bool, int]] = []
    drop = inbox.sink(world.link)
    running = asyncio.create_task(inbox.run())
    for seq in range(2, 52):
        drop(delivered(f"m{seq}"), lambda ok, n=seq: seen.append((ok, int(world.delivery(n)["state"]))))
    await until(lambda: len(seen) == 50)
    inbox.stop()
    await running
    assert set(seen) == {(True, int(DeliveryState.DELIVERED))}
    assert b'loa_receipts_total{outcome="applied"} 50.0' in inbox.metrics.text()
    world.check()


@pytest.mark.longer
async def test_what_was_taken_is_committed_even_while_the_door_closes(db: Database) -> None:
    world = sent(db, 5)
    inbox = Inbox(db, world.ledger, Metrics(), wait_s=10.0)
    acknowledged: list[bool] = []
    inbox.sink(world.link)(delivered("m2"), acknowledged.append)
    inbox.stop()
    inbox.sink(world.link)(delivered("m3"), acknowledged.append)
    await inbox.run()
    assert acknowledged == [False, True]
    assert world.delivery(2)["state"] == DeliveryState.DELIVERED


async def test_beyond_its_room_the_carrier_is_asked_to_repeat_later(db: Database) -> None:
    world = sent(db, 5)
    inbox = Inbox(db, world.ledger, Metrics(), room=2)
    acknowledged: list[bool] = []
    for seq in (2, 3, 4):
        inbox.sink(world.link)(delivered(f"m{seq}"), acknowledged.append)
    assert acknowledged == [False]
    inbox.stop()
    await inbox.run()
    assert acknowledged == [False, True, True]


def renamed(db: Database, ends: tuple[str, str]) -> None:
    """Give the tables that a commit of receipts needs other names."""
    for table in ("tallies", "quarantine"):
        names = [f"{table}{end}" for end in ends]
        db.write(lambda c, names=names: c.execute(text("ALTER TABLE {} RENAME TO {}".format(*names))))


@pytest.mark.longer
async def test_a_call_is_not_acknowledged_if_one_of_its_groups_failed(db: Database) -> None:
    """Whatever came of the others: only a repetition brings what was lost."""
    world = sent(db, 30)
    inbox = Inbox(db, world.ledger, Metrics(), group=10)
    arrivals = [receipt(world.link, f"m{seq}") for seq in range(2, 32)]
    call = asyncio.create_task(inbox.accept(arrivals, "call", 10.0))
    await asyncio.sleep(0)
    renamed(db, ("", "_gone"))
    with pytest.raises((DBAPIError, psycopg.Error)):
        await inbox.run()
    renamed(db, ("_gone", ""))
    running = asyncio.create_task(inbox.run())
    assert not await call
    assert world.states()[int(DeliveryState.DELIVERED)] == 20
    assert await inbox.accept(arrivals, "call", 10.0)
    assert world.states() == {int(DeliveryState.DELIVERED): 30}
    inbox.stop()
    await running


@pytest.mark.longer
async def test_a_webhook_may_put_and_wait(db: Database) -> None:
    world = sent(db, 3)
    inbox = Inbox(db, world.ledger, Metrics())
    applied = await inbox.put(
        [receipt(world.link, "m2"), receipt(world.link, "m2"), receipt(world.link, "x")]
    )
    assert (applied.changed, applied.repeated, applied.quarantined) == (1, 1, 1)


@pytest.mark.longer
async def test_the_sweep_looks_again_at_all_that_is_due(db: Database) -> None:
    world = build(db, 700, chunk=1000)
    world.fan_out()
    lease = world.claim()
    assert lease
    early = [receipt(world.link, f"m{item.seq}") for item in lease.items]
    db.write(world.ledger.apply, early)
    db.write(lambda c: c.execute(update(quarantine).values(reference=quarantine.c.reference + "?")))
    db.write(world.ledger.record, world.link, lease, accepted(lease.items, "m"), None, 30.0)
    assert await match_quarantined(db, world.ledger, Faults(db, Metrics())) == 0
    mended = func.replace(quarantine.c.reference, "?", "")
    db.write(lambda c: c.execute(update(quarantine).values(reference=mended, try_at=0)))
    matched = [await match_quarantined(db, world.ledger, Faults(db, Metrics())) for _ in range(2)]
    assert sum(matched) == 700, "a sweep ends after half a second, the next one goes on"
    assert world.states() == {int(DeliveryState.DELIVERED): 700}


@pytest.mark.longer
async def test_a_flood_of_foreign_receipts_does_not_hide_those_that_match(db: Database) -> None:
    world = sent(db, 3)
    db.write(world.ledger.apply, [receipt(world.link, f"foreign{n}") for n in range(1200)])
    early = [receipt(world.link, f"m{seq}?") for seq in (2, 3, 4)]
    db.write(world.ledger.apply, early)
    mended = func.replace(quarantine.c.reference, "?", "")
    db.write(
        lambda c: c.execute(update(quarantine).values(reference=mended, try_at=quarantine.c.id - 10_000))
    )
    matched = [await match_quarantined(db, world.ledger, Faults(db, Metrics())) for _ in range(3)]
    assert sum(matched) == 3, "a sweep ends after half a second, the next one goes on"
    assert world.states() == {int(DeliveryState.DELIVERED): 3}

"""Receipts of other times: what they say, and days that go by."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, update

from app.core import clock
from app.core.clock import DAY_MS
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import (
    chunks,
    deliveries,
    quarantine,
    receipts,
    runs,
    state_events,
    submissions,
    unknowns,
)
from app.ledger.contract import Arrival, ChunkLease, Reservation
from carriers.contract import Receipt, ReceiptLevel, ReceiptStatus
from tests.app.world import FIRST_PHONE, World, build

GOOD, BAD = ReceiptStatus.DELIVERED, ReceiptStatus.UNDELIVERED
ON_ITS_WAY = ReceiptStatus.IN_TRANSIT
SUBMITTED, DELIVERED, UNKNOWN = DeliveryState.SUBMITTED, DeliveryState.DELIVERED, DeliveryState.UNKNOWN
QUEUED, UNDELIVERED = DeliveryState.QUEUED, DeliveryState.UNDELIVERED


def said(
    world: World,
    reference: str | None,
    status: ReceiptStatus = GOOD,
    *,
    phone: int | None = FIRST_PHONE,
    days: float | None = 0.0,
) -> Arrival:
    """A receipt that says that it was done so many days from now; None: it does not say when."""
    at = None if days is None else clock.now() + timedelta(days=days)
    number = str(phone) if phone else None
    return Arrival(world.link, Receipt(reference, number, status, ReceiptLevel.HANDSET, code="0", done_at=at))


def apply(world: World, *arrivals: Arrival) -> tuple[int, int, int]:
    """(matched, changed, quarantined)"""
    applied = world.db.write(world.ledger.apply, arrivals)
    return applied.matched, applied.changed, applied.quarantined


def look_again(world: World, times: int = 3) -> None:
    for _ in range(times):
        world.db.write(lambda c: c.execute(update(quarantine).values(try_at=0)))
        world.db.write(world.ledger.rematch, 500)


def passes(db: Database, days: float) -> None:
    """So many days go by: all that is stored was so much earlier."""
    back = round(days * DAY_MS)

    def work(c: Connection) -> None:
        for table, names in (
            (quarantine, ("received_at", "done_at")),
            (receipts, ("received_at", "done_at", "matched_at")),
            (submissions, ("at",)),
            (deliveries, ("submitted_at", "done_at")),
            (chunks, ("taken_at", "lease_until")),
            (unknowns, ("since",)),
            (state_events, ("at",)),
            (runs, ("started_at", "ended_at")),
        ):
            earlier = {name: table.c[name] - back for name in names}
            c.execute(update(table).values(earlier))

    db.write(work)


def killed(db: Database, parts: int = 1) -> World:
    """A world with one message of so many parts, whose sender was killed; nobody has noticed yet."""
    world = queued(db, parts)
    gone(world, parts)
    return world


def queued(db: Database, parts: int, count: int = 1) -> World:
    """A world whose messages have so many parts each and wait."""
    world = build(db, count)
    db.write(world.ledger.open_campaign, world.campaign)
    db.write(world.ledger.fan_out, world.run, world.batch, parts, 100)
    return world


def gone(world: World, parts: int) -> ChunkLease:
    """What a sender holds that has begun to send messages of so many parts each, and is heard of no more."""
    lease = world.claim("slow", lease_s=0.0)
    assert lease
    reserved = Reservation(lease.items[-1].seq, parts * len(lease.items))
    world.db.write(world.ledger.record, world.link, lease, [], reserved, -1.0)
    return lease


def notice(world: World) -> None:
    """The next process takes what the dead one had, and is done with it."""
    heir = world.claim("heir")
    assert heir
    world.db.write(world.ledger.release, heir, 0.0)

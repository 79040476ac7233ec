"""What a pass over the quarantine does and tells: who is found, when, and how long the others wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.core import clock
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import deliveries, quarantine, receipts, submissions
from app.ledger.contract import Applied, Arrival, Reservation, ResultKind
from carriers.contract import Receipt, ReceiptLevel, ReceiptStatus
from tests.app.ledger.test_receipts import ON_ITS_WAY, lost, parts, receipt, sent
from tests.app.ledger.times import passes
from tests.app.world import FIRST_PHONE, World, build


def look(world: World) -> Applied:
    """One pass over all that waits."""
    world.db.write(lambda c: c.execute(update(quarantine).values(try_at=0)))
    return world.db.write(world.ledger.rematch, 100)


def rows(db: Database, table: Any) -> list[Any]:
    return list(db.read(lambda c: c.execute(select(table)).all()))


def done(world: World, reference: str, seconds: float, status: ReceiptStatus) -> Arrival:
    """A receipt of what was done so many seconds from now."""
    at = clock.now() + timedelta(seconds=seconds)
    return Arrival(world.link, Receipt(reference, None, status, ReceiptLevel.HANDSET, done_at=at))


@pytest.mark.longer
def test_an_unknown_is_settled_at_the_second_look_and_counted_as_found(db: Database) -> None:
    world = lost(db)
    strange = receipt(world.link, "x1", phone=FIRST_PHONE), receipt(world.link, "foreign")
    assert db.write(world.ledger.apply, strange).quarantined == 2
    first = look(world)  # the answer with its reference may be about to be recorded
    assert (first.matched, first.quarantined) == (0, 2)
    assert world.delivery(2)["state"] == DeliveryState.UNKNOWN
    before = clock.now_ms()
    second = look(world)
    assert (second.matched, second.quarantined) == (1, 1)
    assert world.delivery(2)["state"] == DeliveryState.DELIVERED
    (waits,), (found,) = rows(db, quarantine), rows(db, receipts)
    assert (waits.reference, waits.tries) == ("foreign", 2)
    assert before + 1500 <= waits.try_at <= clock.now_ms() + 2000
    assert before <= found.matched_at <= clock.now_ms()
    world.check()


def test_what_is_found_in_quarantine_says_when_and_what_is_found_at_once_does_not(db: Database) -> None:
    world = sent(db)
    db.write(lambda c: c.execute(update(submissions).where(submissions.c.seq == 2).values(reference="late")))
    db.write(world.ledger.apply, [receipt(world.link, "m2"), receipt(world.link, "m3")])
    db.write(lambda c: c.execute(update(submissions).where(submissions.c.seq == 2).values(reference="m2")))
    assert look(world).matched == 1
    assert {row.seq: row.matched_at is not None for row in rows(db, receipts)} == {2: True, 3: False}
    assert rows(db, quarantine) == []
    assert world.db.write(world.ledger.rematch, 100) == Applied()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_message_is_done_when_the_last_of_its_parts_was(db: Database, order: tuple[int, int]) -> None:
    world = parts(db, ("a", "b"))
    said = [
        done(world, "a", -20, ReceiptStatus.DELIVERED),
        done(world, "b", -10, ReceiptStatus.DELIVERED),
    ]
    for nth in order:
        db.write(world.ledger.apply, [said[nth]])
    assert world.delivery(2)["done_at"] == clock.to_ms_or_none(said[1].receipt.done_at)
    assert [row.result for row in rows(db, submissions)] == [ResultKind.ACCEPTED] * 2


def test_the_time_from_the_sending_to_the_receipt_is_told_in_seconds(db: Database) -> None:
    world = sent(db)
    passes(db, 1000 / 86_400)
    applied = db.write(world.ledger.apply, [receipt(world.link, "m2"), receipt(world.link, "m3", ON_ITS_WAY)])
    assert applied.latencies == [pytest.approx(1000, abs=0.9)]
    assert (applied.matched, applied.changed) == (2, 1)


def test_what_is_set_aside_waits_as_long_as_was_asked_and_counts_as_a_try(db: Database) -> None:
    world = sent(db)
    before = clock.now_ms()
    db.write(world.ledger.set_aside, [receipt(world.link, "m2", phone=FIRST_PHONE)], 60_000)
    (row,) = rows(db, quarantine)
    assert (row.tries, row.reference, row.phone, row.link_id) == (1, "m2", FIRST_PHONE, world.link.id)
    assert before + 60_000 <= row.try_at <= clock.now_ms() + 60_000
    assert look(world).matched == 1


def test_a_person_may_have_one_looked_at_though_it_is_not_due(db: Database) -> None:
    world = sent(db)
    arrivals = [receipt(world.link, "m2"), receipt(world.link, "m3")]
    db.write(world.ledger.set_aside, arrivals, 60_000)
    one = rows(db, quarantine)[0]
    assert db.write(world.ledger.rematch, 100).matched == 0
    assert db.write(world.ledger.rematch, 100, [one.id]).matched == 1
    assert [row.reference for row in rows(db, quarantine)] == ["m3"]


def test_a_message_of_weeks_ago_is_looked_for_after_many_tries_alone(db: Database) -> None:
    world = sent(db)
    weeks_ago = clock.now_ms() - 20 * clock.DAY_MS
    db.write(lambda c: c.execute(update(submissions).values(at=weeks_ago)))
    db.write(lambda c: c.execute(update(deliveries).values(submitted_at=weeks_ago)))
    db.write(world.ledger.apply, [receipt(world.link, "m2", phone=FIRST_PHONE)])
    found = []
    for tries in (11, 12):
        db.write(lambda c, so_many=tries: c.execute(update(quarantine).values(tries=so_many)))
        found.append(look(world).matched)
    assert found == [0, 1]
    assert world.delivery(2)["state"] == DeliveryState.DELIVERED


@pytest.mark.longer
def test_a_receipt_counts_its_tries_up_to_a_bound(db: Database) -> None:
    world = sent(db)
    db.write(world.ledger.apply, [receipt(world.link, "foreign")])
    for tries, then in ((29_999, 30_000), (30_000, 30_000)):
        db.write(lambda c, tries=tries: c.execute(update(quarantine).values(tries=tries)))
        look(world)
        assert rows(db, quarantine)[0].tries == then


def test_a_receipt_that_waits_is_looked_at_again_once_a_message_to_its_number_is_unknown(
    db: Database,
) -> None:
    """However long it was to rest: it may be about that one."""
    world = build(db, 1)
    world.fan_out()
    slow = world.claim("slow", lease_s=0.0)
    assert slow
    db.write(world.ledger.record, world.link, slow, [], Reservation(2, 1), -1.0)
    db.write(world.ledger.apply, [receipt(world.link, "strange", phone=FIRST_PHONE)])
    tomorrow = clock.now_ms() + clock.DAY_MS
    db.write(lambda c: c.execute(update(quarantine).values(try_at=tomorrow)))
    heir = world.claim("heir")
    assert heir
    assert db.read(lambda c: c.execute(select(quarantine.c.try_at)).scalar_one()) <= clock.now_ms()

"""A centre whose stamps are in another zone: learnt from its other receipts, if it is beyond doubt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from app.core import clock
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import links, quarantine, receipts, runs, unknowns
from app.diagnostics import doctor
from app.ledger import late_references
from app.ledger.contract import Arrival, Reservation
from app.observability import link_status
from app.reports.verification.verify import verify
from tests.app.world import FIRST_PHONE, World, accepted, build, receipt
from tests.engines import each_engine

database_url = each_engine
HOUR = timedelta(hours=1)
U, D = int(DeliveryState.UNKNOWN), int(DeliveryState.DELIVERED)
UTC = 7 * HOUR


def said(world: World, n: int, early: timedelta, reference: str, late: timedelta = timedelta()) -> Arrival:
    """A receipt of person n, of an event just now (or `late` ago), stamped too early."""
    arrival = receipt(world.link, reference, phone=FIRST_PHONE + n)
    done_at = clock.now() - early - late
    return arrival._replace(receipt=arrival.receipt._replace(done_at=done_at))


def sent(world: World, early: Sequence[timedelta]) -> None:
    """A chunk is taken, and each of its messages has a receipt with its id."""
    lease = world.claim()
    assert lease is not None
    items = lease.items[: len(early)]
    world.db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    world.db.write(world.ledger.release, lease, 0.0)
    told = [said(world, i.phone - FIRST_PHONE, off, f"m{i.seq}") for i, off in zip(items, early, strict=True)]
    world.db.write(world.ledger.apply, told)


def lost(world: World) -> list[int]:
    """The process that sends the next chunk dies; the persons of it."""
    lease = world.claim(lease_s=0.0)
    assert lease is not None
    everything = Reservation(lease.items[-1].seq, len(lease.items))
    world.db.write(world.ledger.record, world.link, lease, [], everything, -1.0)
    world.claim("heir")
    return [item.phone - FIRST_PHONE for item in lease.items]


def looked_again(world: World, times: int = 3) -> None:
    for _ in range(times):
        world.db.write(lambda c: c.execute(update(quarantine).values(try_at=0)))
        world.db.write(world.ledger.rematch, 500)


def ready(db: Database, chunk: int, count: int) -> World:
    world = build(db, count, chunk=chunk)
    world.fan_out()
    db.write(lambda c: c.execute(update(runs).values(started_at=clock.now_ms())))
    return world


def noted(db: Database) -> None:
    for link_id, minutes in db.read(late_references.offsets_found, clock.now_ms()).items():
        db.write(late_references.note_offset, link_id, minutes)


@pytest.mark.longer
def test_every_unknown_message_of_a_centre_that_stamps_utc_is_settled_and_the_zone_is_named(
    db: Database,
) -> None:
    world = ready(db, 200, 400)
    sent(world, [UTC] * 200)
    persons = lost(world)
    assert world.states() == {D: 200, U: 200}
    db.write(world.ledger.apply, [said(world, n, UTC, f"late{n}") for n in persons])
    assert world.states() == {D: 200, U: 200}
    looked_again(world)
    assert world.states() == {D: 400}
    assert verify(db, world.ledger) == []
    world.check()
    noted(db)
    remark = db.read(link_status.facts)[world.link.id].remark
    assert remark is not None
    assert remark.startswith("Receipt times are 7:00 hours too early")
    assert any("7:00 hours too early" in each for each in db.read(lambda c: list(doctor._links(c))))


def test_a_zone_that_was_put_right_is_named_no_longer(db: Database) -> None:
    world = ready(db, 50, 50)
    db.write(lambda c: c.execute(update(links).values(receipts_early_min=420)))
    sent(world, [timedelta()] * 50)
    noted(db)
    assert db.read(lambda c: c.execute(select(links.c.receipts_early_min)).scalar_one()) is None


DOUBTFUL = {
    "few": [UTC] * 19,
    "two zones": [UTC] * 100 + [timedelta()] * 100,
    "one of another zone": [UTC] * 199 + [8 * HOUR],
    "changed in between": [UTC] * 100 + [6 * HOUR] * 100,
    "no zone": [UTC + timedelta(minutes=7)] * 200,
    "another one": [6 * HOUR] * 200,
    "a day": [24 * HOUR] * 200,
}


@pytest.mark.parametrize("early", DOUBTFUL.values(), ids=list(DOUBTFUL))
def test_nothing_is_settled_by_an_offset_that_is_not_beyond_doubt(
    db: Database, early: Sequence[timedelta]
) -> None:
    world = ready(db, 200, 210)
    sent(world, early)
    persons = lost(world)
    db.write(world.ledger.apply, [said(world, n, UTC, f"late{n}") for n in persons])
    looked_again(world)
    assert world.states()[U] == len(persons)
    world.check()


def test_a_receipt_that_does_not_show_the_offset_itself_is_left_waiting(db: Database) -> None:
    """The centre's clock may have been set an hour since: then the event was at another time."""
    world = ready(db, 200, 210)
    sent(world, [UTC] * 200)
    persons = lost(world)
    db.write(world.ledger.apply, [said(world, n, UTC, f"late{n}", late=HOUR) for n in persons])
    looked_again(world)
    assert world.states()[U] == len(persons)


def test_receipts_that_come_late_from_a_centre_in_the_right_zone_teach_nothing(db: Database) -> None:
    """Each states the hour before, because its telephone was off when its message came."""
    world = ready(db, 200, 210)
    sent(world, [HOUR] * 200)
    sent_before = {"received_at": receipts.c.received_at + 3_600_000, "done_at": receipts.c.done_at}
    db.write(lambda c: c.execute(update(receipts).values(sent_before)))
    assert db.read(late_references.learnt_offset, world.link.id, world.campaign, clock.now_ms()) is None


def test_an_early_stamp_that_fits_an_older_unknown_message_does_not_settle_it(db: Database) -> None:
    """Of two unknown messages to one person, sent seven hours apart, the receipt may mean either."""
    world = ready(db, 200, 210)
    sent(world, [UTC] * 200)
    persons = lost(world)
    own = select(unknowns).where(unknowns.c.phone == FIRST_PHONE + persons[0])
    row = db.read(lambda c: c.execute(own).one())
    older = {**row._mapping, "batch_id": 999, "since": row.since - 7 * 3_600_000}
    db.write(lambda c: c.execute(insert(unknowns).values(older)))
    db.write(world.ledger.apply, [said(world, persons[0], UTC, "late")])
    looked_again(world)
    assert world.states()[U] == len(persons)

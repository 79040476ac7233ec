"""A receipt moves only what its own sending made, over any link of the account that sent it."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import Connection, select, update

from app.core import clock
from app.core.clock import DAY_MS
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import quarantine, runs, unknowns
from app.dispatch.link_store import LinkRecord, register
from app.ledger.contract import Arrival, DeliveryKey, Link, Reservation, SubmitOutcome
from app.reports.verification.verify import verify
from carriers.contract import (
    Accepted,
    Reason,
    ReceiptLevel,
    SubmitResult,
    Unknown,
)
from tests.app.ledger.test_receipt_matching import again, count, sent, state
from tests.app.ledger.times import (
    BAD,
    DELIVERED,
    ON_ITS_WAY,
    SUBMITTED,
    UNDELIVERED,
    UNKNOWN,
    apply,
    killed,
    look_again,
    passes,
    said,
)
from tests.app.world import FIRST_PHONE, World, accepted, build, receipt

# ---- sendings --------------------------------------------------------------------------------------------


@pytest.mark.longer
def test_one_part_on_its_way_is_not_the_whole_message(db: Database) -> None:
    world = sent(db, Unknown("no answer", ("a", "b")), count=1)
    assert apply(world, said(world, "a", ON_ITS_WAY)) == (1, 1, 0)
    assert apply(world, said(world, "a", ON_ITS_WAY)) == (1, 0, 0)
    assert (state(world), count(db, unknowns)) == (UNKNOWN, 1)
    assert apply(world, said(world, "b", ON_ITS_WAY)) == (1, 1, 0)
    assert (state(world), count(db, unknowns)) == (SUBMITTED, 0)
    assert verify(db, world.ledger) == []


@pytest.mark.longer
def test_a_part_delivered_and_the_other_on_its_way_were_taken(db: Database) -> None:
    world = sent(db, Unknown("no answer", ("a", "b")), count=1)
    apply(world, said(world, "b", ON_ITS_WAY))
    apply(world, said(world, "a"))
    assert state(world) == UNKNOWN  # nothing new was said of the other part since
    apply(world, said(world, "b"))
    assert state(world) == DELIVERED


def sent_again(world: World, result: SubmitResult) -> None:
    lease = world.claim()
    assert lease
    answers = [SubmitOutcome(item, result) for item in lease.items]
    world.db.write(world.ledger.record, world.link, lease, answers, None, 30.0)
    world.db.write(world.ledger.release, lease, 0.0)


@pytest.mark.longer
@pytest.mark.parametrize("parts", [1, 2])
def test_the_recount_bears_with_the_reason_that_a_write_off_took_from_a_failed_part(
    db: Database, parts: int
) -> None:
    world = build(db, 1)
    sent_two(world, Unknown("no answer", ("a", "b")[:parts]), parts)
    if parts == 2:
        db.write(world.ledger.apply, [receipt(world.link, "b", BAD, reason=Reason.OTHER_NETWORK)])
    assert db.write(world.ledger.write_off, [DeliveryKey(world.campaign, world.batch, 2)], "an") == 1
    db.write(world.ledger.apply, [receipt(world.link, "a", BAD, reason=Reason.HANDSET)])
    assert (state(world), verify(db, world.ledger)) == (UNDELIVERED, [])
    world.check()


def sent_two(world: World, result: SubmitResult, parts: int = 2) -> None:
    world.db.write(world.ledger.open_campaign, world.campaign)
    world.db.write(world.ledger.fan_out, world.run, world.batch, parts, 10)
    sent_again(world, result)


@pytest.mark.longer
def test_a_late_answer_is_taken_where_a_receipt_told_of_a_failed_part(db: Database) -> None:
    world = build(db, 1)
    db.write(world.ledger.open_campaign, world.campaign)
    db.write(world.ledger.fan_out, world.run, world.batch, 2, 10)
    frozen = world.claim("frozen", lease_s=0.0)
    assert frozen
    db.write(world.ledger.record, world.link, frozen, [], Reservation(2, 2), -1.0)
    assert world.claim("heir")
    apply(world, said(world, "a", BAD))
    look_again(world)
    assert state(world) == UNKNOWN
    outcomes = [SubmitOutcome(frozen.items[0], Accepted(("a", "b")))]
    db.write(world.ledger.record, world.link, frozen, outcomes, None, 30.0)
    assert (state(world), count(db, unknowns), verify(db, world.ledger)) == (SUBMITTED, 0, [])
    assert apply(world, said(world, "b")) == (1, 1, 0)
    assert (state(world), verify(db, world.ledger)) == (UNDELIVERED, [])
    world.check()


@pytest.mark.longer
def test_a_row_of_quarantine_that_is_being_looked_at_keeps_no_link_waiting(new_postgresql_url: str) -> None:
    """Else one waits for the other: the look for the delivery, the link for the receipts of its phone."""
    db = Database(new_postgresql_url)
    try:
        world = killed(db)
        apply(world, said(world, "x1"))
        with db.engine.begin() as looking:
            looking.execute(select(quarantine).with_for_update())
            db.write(lambda c: c.exec_driver_sql("SET LOCAL lock_timeout = '2s'"))
            assert world.claim("heir")
        assert state(world) == UNKNOWN
    finally:
        db.close()


@pytest.mark.longer
def test_receipts_of_a_run_that_is_sent_long_since_are_looked_for_last(new_postgresql_url: str) -> None:
    """A run that waits for one receipt for ever costs no other run's receipts anything."""
    db = Database(new_postgresql_url)
    try:
        old = sent(db, Accepted(("old",)))
        passes(db, 30)
        ended = {"state": RunState.SENT.value, "ended_at": clock.now_ms() - 30 * DAY_MS}
        db.write(lambda c: c.execute(update(runs).values(ended)))
        new = again(old, Accepted(("new",)))

        def opened(c: Connection) -> set[str]:
            new.ledger.apply(c, [said(new, "new")])
            held = "SELECT relation::regclass::text FROM pg_locks WHERE pid = pg_backend_pid()"
            return {str(row[0]) for row in c.exec_driver_sql(held)}

        tables = db.write(opened)
        assert f"deliveries_c{new.campaign}" in tables
        assert not {f"deliveries_c{old.campaign}", f"submissions_c{old.campaign}"} & tables
    finally:
        db.close()


# ---- accounts --------------------------------------------------------------------------------------------


def link(db: Database, name: str, group: str | None = None, account: str | None = None) -> Link:
    """The link as a worker that starts registers it."""
    facts = LinkRecord(name, "viettel", group or name, 100.0, ReceiptLevel.HANDSET, account=account)
    return db.write(register, facts)


def sent_over(db: Database, link: Link, count_: int = 4) -> World:
    world = build(db, count_)
    world.link = link
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, link, lease, accepted(lease.items), None, 30.0)
    return world


def by(link: Link, world: World, reference: str, place: int) -> Arrival:
    return said(world, reference, phone=FIRST_PHONE + place)._replace(link=link)


@pytest.mark.longer
def test_a_mended_receipt_group_holds_for_what_was_sent_and_received_before(db: Database) -> None:
    first, second = link(db, "viettel-a"), link(db, "viettel-b")
    world = sent_over(db, second)
    assert apply(world, by(first, world, "m2", 0), by(first, world, "m3", 1)) == (0, 0, 2)
    first, second = link(db, "viettel-a", "viettel"), link(db, "viettel-b", "viettel")
    assert apply(world, by(first, world, "m4", 2), by(second, world, "m5", 3)) == (2, 2, 0)
    look_again(world, times=1)
    assert world.states() == {int(DELIVERED): 4}


@pytest.mark.longer
def test_what_a_link_sent_under_its_old_name_is_found_under_the_new_one(db: Database) -> None:
    old = link(db, "viettel-a", account="smpp loa@smsc.viettel:2775")
    world = sent_over(db, old)
    other = link(db, "viettel-c", account="smpp other@smsc.viettel:2775")
    new = link(db, "viettel-main", account="smpp loa@smsc.viettel:2775")
    assert apply(world, by(other, world, "m2", 0)) == (0, 0, 1)
    assert apply(world, *[by(new, world, f"m{n + 2}", n) for n in range(4)]) == (4, 4, 0)


@pytest.mark.longer
def test_an_unknown_message_of_the_old_name_is_settled_over_the_new_one(db: Database) -> None:
    old = link(db, "viettel-a", account="smpp loa@smsc.viettel:2775")
    world = build(db, 1)
    world.link = old
    world.fan_out()
    lease = world.claim()
    assert lease
    lost = [SubmitOutcome(lease.items[0], Unknown("no answer"))]
    db.write(world.ledger.record, old, lease, lost, None, 30.0)
    new = link(db, "viettel-main", account="smpp loa@smsc.viettel:2775")
    apply(world, by(new, world, "x1", 0))
    look_again(world)
    assert state(world) == DELIVERED


# ---- costs -----------------------------------------------------------------------------------------------


@pytest.mark.longer
def test_a_reference_that_all_messages_share_costs_no_more_rows_than_others(db: Database) -> None:
    """Each receipt is found by its phone then, of which there is one."""
    world = build(db, 300, chunk=300)
    world.fan_out()
    lease = world.claim()
    assert lease
    same = [SubmitOutcome(item, Accepted(("0",))) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, same, None, 30.0)
    rest = [said(world, "0", phone=FIRST_PHONE + n) for n in range(1, 300)]
    assert apply(world, said(world, "0")) == (1, 1, 0)
    assert apply(world, *rest) == (299, 299, 0)
    assert apply(world, *rest) == (299, 0, 0)
    assert apply(world, said(world, "0", phone=None)) == (0, 0, 1)  # it could be any
    assert world.states() == {int(DELIVERED): 300}
    assert verify(db, world.ledger) == []


@pytest.mark.longer
def test_a_reference_that_all_messages_share_takes_no_more_time_than_others(db: Database) -> None:
    """Of this process, beside receipts of ids of their own: twice as much and more before."""
    size, groups = 80, 12
    world = build(db, 2 * groups * size, chunk=2 * groups * size)
    world.fan_out()
    lease = world.claim()
    assert lease
    half = groups * size
    named = [
        SubmitOutcome(each, Accepted((f"m{each.seq}" if n < half else "0",)))
        for n, each in enumerate(lease.items)
    ]
    db.write(world.ledger.record, world.link, lease, named, None, 30.0)
    spent: dict[str, list[float]] = {"own": [], "shared": []}
    for group in range(groups):
        for kind, first in (("own", group * size), ("shared", half + group * size)):
            lines = range(first, first + size)
            some = [
                said(world, "0" if kind == "shared" else f"m{n + 2}", phone=FIRST_PHONE + n) for n in lines
            ]
            before = time.process_time()
            assert apply(world, *some) == (size, size, 0)
            spent[kind].append(time.process_time() - before)
    assert min(spent["shared"]) < 1.5 * min(spent["own"]), spent


@pytest.mark.longer
def test_a_shared_reference_moves_only_the_message_that_bears_it(db: Database) -> None:
    """Another message to the same number, or one over another account's link, is not meant."""
    world = build(db, 4, chunk=4)
    world.fan_out()
    lease = world.claim()
    assert lease
    ids = ("0", "0", "other", "0")
    named = [
        SubmitOutcome(each, Accepted((reference,))) for each, reference in zip(lease.items, ids, strict=True)
    ]
    db.write(world.ledger.record, world.link, lease, named, None, 30.0)
    strange = link(db, "viettel-b", account="smpp somebody@else:2775")
    all_ = [said(world, "0", phone=FIRST_PHONE + n) for n in range(3)]
    assert apply(world, *all_) == (2, 2, 1)
    by_other = [
        Arrival(strange, said(world, "0", phone=FIRST_PHONE + n).receipt) for n in (0, 3)
    ]  # two numbers, so that the id is shared
    assert apply(world, *by_other) == (0, 0, 2)
    assert world.states() == {int(DELIVERED): 2, int(SUBMITTED): 2}
    assert verify(db, world.ledger) == []

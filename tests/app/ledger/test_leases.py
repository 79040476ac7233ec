"""A lease lasts as long as was asked, each pass has all its messages, and unknowns say by which link."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app.core import clock
from app.core.states import DeliveryState, NotSent
from app.database.connection import Database
from app.database.models import budgets, chunks, do_not_send, links, unknowns
from app.dispatch import restore_recovery
from app.ledger import money
from app.ledger.contract import ChunkLease, Reservation, SubmitOutcome
from carriers.contract import Deferred
from tests.app.ledger.test_money import budgeted, record, spent
from tests.app.ledger.test_money import held as in_budget
from tests.app.world import FIRST_PHONE, World, accepted, build

LONG_S = 3000.0  # so long that a thousandth of it is more than a step takes


def chunk(world: World) -> Any:
    return world.db.read(lambda c: c.execute(select(chunks)).one())


def is_long(until: int) -> bool:
    return abs(until - clock.now_ms() - LONG_S * 1000) < 2000


def held(world: World, lease_s: float = 30.0) -> ChunkLease:
    lease = world.claim(lease_s=lease_s)
    assert lease
    return lease


@pytest.mark.longer
def test_a_lease_and_a_pause_last_as_long_as_was_asked(db: Database) -> None:
    world = build(db, 2)
    world.fan_out()
    lease = held(world, LONG_S)
    assert is_long(chunk(world).lease_until)
    assert db.write(world.ledger.renew, lease, 30.0)
    assert not is_long(chunk(world).lease_until)
    assert db.write(world.ledger.renew, lease, LONG_S)
    assert is_long(chunk(world).lease_until)
    put_off = [SubmitOutcome(item, Deferred("0x58")) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, put_off, None, 30.0)
    assert not is_long(chunk(world).lease_until)
    db.write(world.ledger.record, world.link, lease, [], None, LONG_S)
    assert is_long(chunk(world).lease_until)
    db.write(world.ledger.release, lease, LONG_S)
    assert is_long(chunk(world).not_before)


def test_the_first_of_a_chunk_is_in_its_next_pass(db: Database) -> None:
    world = build(db, 3)
    world.fan_out()
    lease = held(world)
    put_off = [SubmitOutcome(item, Deferred("0x58")) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, put_off, None, 30.0)
    items = db.write(world.ledger.next_pass, lease, "viettel")
    assert [item.seq for item in items] == [2, 3, 4]
    assert chunk(world).watermark == 1


def test_a_number_that_asks_for_nothing_more_while_it_is_queued_gets_nothing_in_any_pass(
    db: Database,
) -> None:
    world = build(db, 3)
    world.fan_out()

    def asks(phone: int) -> None:
        row = {"carrier": "viettel", "phone": phone, "added_at": 1, "added_by": "test"}
        db.write(lambda c: c.execute(insert(do_not_send).values(row)))

    asks(FIRST_PHONE)
    lease = held(world)
    assert [item.seq for item in lease.items] == [3, 4]
    put_off = [SubmitOutcome(item, Deferred("0x58")) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, put_off, None, 30.0)
    asks(FIRST_PHONE + 1)
    assert [item.seq for item in db.write(world.ledger.next_pass, lease, "viettel")] == [4]
    assert world.states() == {DeliveryState.QUEUED: 1, DeliveryState.NOT_SENT: 2}
    assert [world.delivery(seq)["reason"] for seq in (2, 3)] == [NotSent.DO_NOT_SEND] * 2
    world.check()


def test_an_unknown_of_a_dead_holder_says_over_which_link_and_since_when(db: Database) -> None:
    world = build(db, 3)
    world.fan_out()
    dead = held(world, 0.0)
    before = clock.now_ms()
    db.write(world.ledger.record, world.link, dead, [], Reservation(3, 2), -1.0)
    assert held(world).lost == 2
    row, listed = world.delivery(2), db.read(lambda c: c.execute(select(unknowns)).all())
    assert (row["state"], row["link_id"], row["parts"]) == (DeliveryState.UNKNOWN, world.link.id, 1)
    assert before <= int(str(row["submitted_at"])) <= clock.now_ms()
    group = db.read(lambda c: c.execute(select(links.c.group_id)).scalar_one())
    assert {(each.link_id, each.group_id, each.attempt) for each in listed} == {(world.link.id, group, 1)}
    assert sorted(each.phone for each in listed) == [FIRST_PHONE, FIRST_PHONE + 1]
    assert {each.why for each in listed} == {"the process that was sending it stopped"}
    assert world.delivery(4)["link_id"] is None


def test_a_chunk_that_was_taken_back_goes_on_where_its_holder_had_recorded(db: Database) -> None:
    world = build(db, 3)
    world.fan_out()
    dead = held(world, 0.0)
    db.write(world.ledger.record, world.link, dead, accepted([*dead.items[:1]]), Reservation(3, 1), -1.0)
    heir = held(world)
    assert (heir.attempt, heir.pass_no, heir.lost) == (2, 1, 1)
    assert [item.seq for item in heir.items] == [4]


@pytest.mark.longer
def test_a_chunk_whose_messages_were_all_answered_costs_nothing_more_after_a_backup(db: Database) -> None:
    world = budgeted(db, 5, 30)
    lease = in_budget(world)
    assert record(world, lease, [], 6, 5).go
    record(world, lease, accepted([*lease.items]))
    db.write(lambda c: c.execute(update(chunks).values(lease_until=1)))
    restore_recovery.mark_live_runs_unknown(db, world.ledger, "root@host")
    assert (world.states(), spent(world)) == ({DeliveryState.SUBMITTED: 5}, 5)


def test_what_may_have_been_sent_in_an_earlier_life_is_charged_to_no_campaign_without_a_budget(
    db: Database,
) -> None:
    world = build(db, 2)
    db.write(money.charge, world.run, 5)
    assert db.read(lambda c: c.execute(select(budgets)).all()) == []

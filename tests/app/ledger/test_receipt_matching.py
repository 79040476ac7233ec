"""Receipts without a reference, or about a delivery that is known: matched where one only can be meant."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import Connection, event, func, insert, select, update

from app.core import clock
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import (
    campaigns,
    chunks,
    deliveries,
    links,
    quarantine,
    receipts,
    runs,
    submissions,
    unknowns,
)
from app.ledger.contract import Arrival, DeliveryKey, DeliveryToSend, ResultKind, SubmitOutcome
from carriers.contract import (
    Accepted,
    Reason,
    Receipt,
    ReceiptLevel,
    ReceiptStatus,
    Rejected,
    SubmitResult,
    Unknown,
)
from tests.app.ledger.times import BAD, DELIVERED, GOOD, ON_ITS_WAY, SUBMITTED, UNKNOWN
from tests.app.world import FIRST_PHONE, World, add_batch, build


def sent(db: Database, result: SubmitResult, count: int = 3) -> World:
    """A world whose deliveries, lines 2 and on, were all answered so."""
    world = build(db, count)
    answer(world, result)
    return world


def answer(world: World, result: SubmitResult) -> None:
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(item, result) for item in lease.items]
    world.db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    world.db.write(world.ledger.release, lease, 0.0)


def again(world: World, result: SubmitResult) -> World:
    """A second campaign to the same numbers over the same link, answered so."""
    ids = world.db.write(_second, world)
    second = World(world.db, world.ledger, *ids, world.link)
    answer(second, result)
    return second


def _second(c: Connection, world: World) -> tuple[int, int, int]:
    old = c.execute(select(campaigns).where(campaigns.c.id == world.campaign)).one()._mapping
    new = {name: value for name, value in old.items() if name != "id"}
    campaign = c.execute(insert(campaigns).values(new)).inserted_primary_key[0]
    run = {"campaign_id": campaign, "carrier": "viettel", "state": RunState.RUNNING.value, "created_at": 0}
    run_id = c.execute(insert(runs).values(run)).inserted_primary_key[0]
    phones = [FIRST_PHONE + n for n in range(2)]
    return campaign, run_id, add_batch(c, campaign, run_id, phones)


def said(
    world: World,
    status: ReceiptStatus = GOOD,
    *,
    phone: int = FIRST_PHONE,
    reference: str | None = None,
    minutes: float | None = 0.0,
    about: DeliveryKey | None = None,
) -> Arrival:
    """A receipt for the number, done so many minutes from now; None: it does not say when."""
    at = None if minutes is None else clock.now() + timedelta(minutes=minutes)
    given = Receipt(reference, str(phone), status, ReceiptLevel.HANDSET, code="0", done_at=at, raw="raw")
    return Arrival(world.link, given, about)


def apply(world: World, *arrivals: Arrival) -> tuple[int, int, int]:
    """(matched, changed, quarantined)"""
    applied = world.db.write(world.ledger.apply, arrivals)
    return applied.matched, applied.changed, applied.quarantined


def count(db: Database, table: object, *where: object) -> int:
    return int(
        db.read(lambda c: c.execute(select(func.count()).select_from(table).where(*where)).scalar_one())
    )


def state(world: World, seq: int = 2) -> object:
    d = deliveries.c
    query = select(d.state).where(d.campaign_id == world.campaign, d.seq == seq)
    return world.db.read(lambda c: c.execute(query).scalar_one())


def test_a_list_has_one_reference_and_each_number_its_own_receipt(db: Database) -> None:
    world = sent(db, Accepted(("list-1",)))
    third = said(world, BAD, phone=FIRST_PHONE + 2, reference="list-1")
    assert apply(world, said(world, reference="list-1"), third) == (2, 2, 0)
    assert [state(world, seq) for seq in (2, 3, 4)] == [DELIVERED, SUBMITTED, DeliveryState.UNDELIVERED]
    world.check()


def test_a_listed_reference_with_a_strange_phone_is_nobodys(db: Database) -> None:
    world = sent(db, Accepted(("list-1",)))
    assert apply(world, said(world, phone=FIRST_PHONE + 77, reference="list-1")) == (0, 0, 1)
    assert world.states() == {int(SUBMITTED): 3}


@pytest.mark.longer
def test_a_receipt_without_a_reference_is_matched_by_its_phone(db: Database) -> None:
    world = sent(db, Accepted())
    assert apply(world, said(world), said(world, BAD, phone=FIRST_PHONE + 1, minutes=None)) == (2, 2, 0)
    assert [state(world, seq) for seq in (2, 3, 4)] == [DELIVERED, DeliveryState.UNDELIVERED, SUBMITTED]
    assert apply(world, said(world)) == (1, 0, 0)
    world.check()


@pytest.mark.longer
def test_a_carriers_own_id_that_we_were_never_told_is_matched_by_the_phone(db: Database) -> None:
    world = sent(db, Accepted())
    assert apply(world, said(world, reference="theirs-1")) == (1, 1, 0)
    assert state(world) == DELIVERED


@pytest.mark.longer
def test_but_not_where_we_know_the_ids_of_the_messages(db: Database) -> None:
    world = sent(db, Accepted(("ours",)))
    assert apply(world, said(world, reference="theirs-1")) == (0, 0, 1)
    assert state(world) == SUBMITTED


def test_it_speaks_of_every_part(db: Database) -> None:
    world = build(db, 1)
    db.write(world.ledger.open_campaign, world.campaign)
    db.write(world.ledger.fan_out, world.run, world.batch, 3, 100)
    answer(world, Unknown("lost"))
    assert world.delivery(2)["parts"] == 3
    assert apply(world, said(world)) == (1, 1, 0)
    assert (world.delivery(2)["state"], world.delivery(2)["delivered"]) == (DELIVERED, 0b111)
    assert count(db, receipts) == 3
    assert count(db, unknowns) == 0
    world.check()


def test_a_link_with_one_receipt_for_a_message_expects_one_of_an_unknown_message(db: Database) -> None:
    world = build(db, 2)
    world.link = type(world.link)(
        *[getattr(world.link, n) for n in ("id", "name", "carrier", "group_id")], True
    )
    db.write(lambda c: c.execute(update(links).values(one_receipt=True)))
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(lambda c: c.execute(update(deliveries).values(segments=4, parts=4)))
    first = DeliveryToSend(*lease.items[0][:3], 4, *lease.items[0][4:])
    db.write(
        world.ledger.record, world.link, lease, [SubmitOutcome(first, Unknown("lost", ("r-1",)))], None, 30.0
    )
    assert world.delivery(2)["parts"] == 1
    # The other was declared, and its holder died.
    from app.ledger.contract import Reservation

    db.write(world.ledger.record, world.link, lease, [], Reservation(3, 4), 0.0)
    db.write(world.ledger.reclaim)
    world.claim("other")
    assert (world.delivery(3)["state"], world.delivery(3)["parts"]) == (UNKNOWN, 1)


@pytest.mark.longer
@pytest.mark.parametrize("result", [Unknown("lost"), Unknown("lost", ("ours",))], ids=["bare", "named"])
def test_an_unknown_message_that_is_on_its_way_was_taken(db: Database, result: SubmitResult) -> None:
    world = sent(db, result)
    named = (getattr(result, "refs", ()) and "ours") or None
    assert apply(world, said(world, ON_ITS_WAY, reference=named)) == (1, 1, 0)
    assert state(world) == SUBMITTED
    assert count(db, unknowns) == 2
    world.check()


@pytest.mark.longer
def test_a_message_of_a_dead_process_is_settled_and_says_whence_it_is_known(db: Database) -> None:
    world = sent(db, Unknown("lost"))
    db.write(lambda c: c.execute(submissions.delete()))
    assert apply(world, said(world, minutes=-5)) == (1, 1, 0)
    assert state(world) == DELIVERED
    assert count(db, submissions, submissions.c.result == ResultKind.SETTLED) == 1
    world.check()


@pytest.mark.longer
def test_an_unknown_message_was_not_sent_before_its_chunk_was_first_taken(db: Database) -> None:
    """Its run has gone on for days; what is said of yesterday is of another message."""
    world = sent(db, Unknown("no answer"))
    days_ago = clock.now_ms() - 10 * clock.DAY_MS
    db.write(lambda c: c.execute(update(runs).values(started_at=days_ago)))
    assert apply(world, said(world, minutes=-1440)) == (0, 0, 1)
    assert state(world) == UNKNOWN
    db.write(lambda c: c.execute(update(chunks).values(taken_at=None)))  # of before chunks had the time
    assert apply(world, said(world, minutes=-1440)) == (1, 1, 0)
    assert state(world) == DELIVERED


def test_an_unknown_message_may_be_meant_until_days_after_it_was_found_to_be_one(db: Database) -> None:
    world = sent(db, Unknown("no answer"))
    days_ago = clock.now_ms() - 6 * clock.DAY_MS
    db.write(lambda c: c.execute(update(deliveries).values(submitted_at=days_ago)))
    db.write(lambda c: c.execute(update(chunks).values(taken_at=days_ago)))
    assert apply(world, said(world, minutes=-5)) == (1, 1, 0)
    db.write(lambda c: c.execute(update(unknowns).values(since=days_ago)))
    assert apply(world, said(world, phone=FIRST_PHONE + 1, minutes=-5)) == (0, 0, 1)
    assert [state(world, seq) for seq in (2, 3)] == [DELIVERED, UNKNOWN]


@pytest.mark.longer
def test_of_two_rounds_the_time_tells_which_is_meant(db: Database) -> None:
    world = sent(db, Accepted())
    hour = 3_600_000
    db.write(
        lambda c: c.execute(update(deliveries).values(submitted_at=deliveries.c.submitted_at - 3 * hour))
    )
    second = again(world, Accepted())
    # Before the second round went out: the first is meant.
    assert apply(world, said(world, minutes=-90)) == (1, 1, 0)
    assert (state(world), state(second)) == (DELIVERED, SUBMITTED)
    # Since then both may be; the first has its answer already.
    assert apply(world, said(world, BAD)) == (1, 1, 0)
    assert (state(world), state(second)) == (DELIVERED, DeliveryState.UNDELIVERED)


@pytest.mark.longer
def test_of_two_that_wait_neither_is_guessed(db: Database) -> None:
    world = sent(db, Accepted())
    second = again(world, Accepted())
    assert apply(world, said(world)) == (0, 0, 1)
    assert (state(world), state(second)) == (SUBMITTED, SUBMITTED)
    assert count(db, quarantine) == 1


@pytest.mark.longer
def test_without_a_time_a_repetition_is_not_taken_for_the_next_round(db: Database) -> None:
    world = sent(db, Accepted())
    assert apply(world, said(world, minutes=None)) == (1, 1, 0)
    second = again(world, Accepted())
    assert apply(world, said(world, minutes=None)) == (0, 0, 1)
    assert state(second) == SUBMITTED


@pytest.mark.longer
def test_what_was_refused_or_sent_weeks_ago_is_not_meant(db: Database) -> None:
    world = sent(db, Rejected("11", Reason.NONE))
    assert apply(world, said(world)) == (0, 0, 1)
    second = again(world, Accepted())
    old = deliveries.c.submitted_at - 20 * 86_400_000
    db.write(lambda c: c.execute(update(deliveries).values(submitted_at=old)))
    assert apply(world, said(world)) == (0, 0, 1)
    assert state(second) == SUBMITTED


@pytest.mark.longer
def test_another_carriers_receipt_moves_nothing(db: Database) -> None:
    world = sent(db, Accepted())
    other = type(world.link)(99, "vnpt-1", "vnpt", 99)
    arrival = said(world)._replace(link=other)
    assert apply(world, arrival) == (0, 0, 1)
    assert state(world) == SUBMITTED


def finish(world: World) -> None:
    """Long ago, as far as its run says."""
    over = {"state": RunState.FINISHED.value, "ended_at": clock.now_ms() - 20 * 86_400_000}
    done = update(runs).where(runs.c.id == world.run).values(over)
    world.db.write(lambda c: c.execute(done))


@pytest.mark.longer
def test_a_receipt_of_a_campaign_that_is_over_is_found_beside_those_under_way(db: Database) -> None:
    over = sent(db, Accepted(("old",)))
    finish(over)
    second = again(over, Accepted(("new",)))
    assert apply(over, said(over, reference="old"), said(second, reference="new")) == (2, 2, 0)
    assert (state(over), state(second)) == (DELIVERED, DELIVERED)
    finish(second)  # now none is under way
    assert apply(over, said(over, reference="old", phone=FIRST_PHONE + 1)) == (1, 1, 0)


@pytest.mark.longer
def test_receipts_of_a_campaign_under_way_open_no_other_ones_tables(new_postgresql_url: str) -> None:
    """Each would cost as much again: beside 300 campaigns a message took five times as long."""
    db = Database(new_postgresql_url)
    try:
        over = sent(db, Accepted(("old",)))
        finish(over)
        second = again(over, Accepted(("new",)))

        def opened(connection: Connection, reference: str) -> set[str]:
            second.ledger.apply(connection, [said(second, reference=reference)])
            held = "SELECT relation::regclass::text FROM pg_locks WHERE pid = pg_backend_pid()"
            names = {str(name) for (name,) in connection.exec_driver_sql(held)}
            return {name for name in names if re.fullmatch(r"submissions_c\d+", name)}

        assert db.write(opened, "new") == {f"submissions_c{second.campaign}"}
        assert db.write(opened, "old") == {f"submissions_c{world.campaign}" for world in (over, second)}
    finally:
        db.close()


@pytest.mark.prove
@pytest.mark.longer
def test_a_receipt_costs_the_same_however_far_the_campaign_has_grown(new_postgresql_url: str) -> None:
    """Plans are kept from when it was small, and made without statistics where autovacuum is off."""
    db = Database(new_postgresql_url)
    try:
        world = build(db, 3000, chunk=20)
        world.fan_out()
        for _ in range(150):
            items = answer_each(world)
            some = items[:1] if items[0].seq < 200 else items
            arrivals = [said(world, reference=str(item.seq), phone=item.phone) for item in some]
            assert db.write(_rows_read, world, arrivals) <= 2 * len(arrivals), items[0]
        assert world.states() == {int(SUBMITTED): 190, int(DELIVERED): 2810}
    finally:
        db.close()


def answer_each(world: World) -> list[DeliveryToSend]:
    """A chunk whose deliveries are all taken, by the names of their own."""
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(item, Accepted((str(item.seq),))) for item in lease.items]
    world.db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    world.db.write(world.ledger.release, lease, 0.0)
    return list(lease.items)


def _rows_read(connection: Connection, world: World, arrivals: list[Arrival]) -> int:
    """Apply them; how many submissions the server had to look at."""
    before = _looked_at(connection, world)
    world.ledger.apply(connection, arrivals)
    return _looked_at(connection, world) - before


def _looked_at(connection: Connection, world: World) -> int:
    counted = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = %(name)s"
    name = {"name": f"submissions_c{world.campaign}"}
    return int(connection.exec_driver_sql(counted, name).scalar_one())


@pytest.mark.longer
def test_an_early_receipt_waits_until_its_message_is_recorded(db: Database) -> None:
    world = build(db, 3)
    world.fan_out()
    assert apply(world, said(world)) == (0, 0, 1)
    answer(world, Accepted())
    db.write(lambda c: c.execute(update(quarantine).values(try_at=0)))
    assert db.write(world.ledger.rematch, 100).matched == 1
    assert state(world) == DELIVERED
    world.check()


@pytest.mark.longer
def test_a_receipt_about_a_named_delivery_goes_there_whatever_else_fits(db: Database) -> None:
    world = sent(db, Accepted(("m",)))
    second = again(world, Accepted(("m",)))
    arrival = said(world, about=DeliveryKey(second.campaign, second.batch, 2))
    assert apply(world, arrival, arrival) == (2, 1, 0)
    assert (state(world), state(second)) == (SUBMITTED, DELIVERED)
    gone = said(world, about=DeliveryKey(second.campaign, second.batch, 999))
    assert apply(world, gone) == (0, 0, 1)


@pytest.mark.longer
def test_a_number_is_found_by_the_index_whatever_the_campaigns_size(sqlite_url: str) -> None:
    db = Database(sqlite_url)
    world = sent(db, Accepted())
    asked: list[str] = []

    def look(connection: Connection) -> None:
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append(call[2]))
        world.ledger.apply(connection, [said(world)])
        statements = [each for each in asked if "FROM deliveries" in each and "phone" in each]
        assert len(statements) == 2
        for statement in statements:
            marks = statement.count("?")
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (1,) * marks).all()
            assert any("campaign_id=? AND phone=?" in row[3] for row in plan), plan

    db.write(look)
    db.close()

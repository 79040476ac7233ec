"""The queue on both engines: fan-out, leases, passes, and what becomes of a dead holder's chunk."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select, update

from app.core import clock
from app.core.states import DeliveryState, LinkState, NotSent, RunState
from app.database.connection import Database
from app.database.models import chunks, link_pace, links, runs, submissions, unknowns
from app.ledger.contract import Reservation, SubmitOutcome
from carriers.contract import Accepted, Deferred, Halted, Unknown
from tests.app.world import FIRST_PHONE, accepted, add_batch, build

Q, S, U, N, X = (
    int(DeliveryState.QUEUED),
    int(DeliveryState.SUBMITTED),
    int(DeliveryState.UNKNOWN),
    int(DeliveryState.NOT_SENT),
    int(DeliveryState.EXCLUDED),
)


@pytest.mark.longer
def test_every_subscriber_becomes_one_delivery_in_chunks_that_cover_them(db: Database) -> None:
    world = build(db, 250)
    assert world.fan_out(limit=120) == 250
    assert world.states() == {Q: 250} == world.tallied()
    spans = db.read(lambda c: c.execute(select(chunks.c.first_seq, chunks.c.last_seq)).all())
    assert sorted(tuple(span) for span in spans) == [(2, 101), (102, 121), (122, 221), (222, 241), (242, 251)]
    world.check()


def test_fanning_out_twice_makes_nothing_twice(db: Database) -> None:
    world = build(db, 30)
    assert world.fan_out() == 30
    assert world.fan_out() == 0
    assert world.states() == {Q: 30}


@pytest.mark.longer
def test_a_phone_of_another_batch_of_the_campaign_is_left_out_and_counted(db: Database) -> None:
    world = build(db, 10)
    world.fan_out()
    phones = [FIRST_PHONE + n for n in range(5, 15)]
    batch = db.write(add_batch, world.campaign, world.run, phones)
    result = db.write(world.ledger.fan_out, world.run, batch, 1, 100)
    assert (result.queued, result.repeated, result.more) == (5, 5, False)
    assert world.tallied() == {Q: 15, X: 5}
    world.check()


def test_a_batch_of_another_run_is_not_fanned_out(db: Database) -> None:
    world = build(db, 3)
    assert db.write(world.ledger.fan_out, world.run + 1, world.batch, 1, 10).queued == 0


@pytest.mark.longer
def test_two_links_never_hold_one_chunk(db: Database) -> None:
    world = build(db, 200)
    world.fan_out()
    first, second = world.claim("a"), world.claim("b")
    assert first
    assert second
    assert (first.first_seq, second.first_seq) == (2, 102)
    assert world.claim("c") is None


@pytest.mark.longer
def test_a_result_is_recorded_once_however_often_its_commit_is_repeated(db: Database) -> None:
    world = build(db, 100)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = accepted(lease.items[:40])
    for _ in range(2):
        grant = db.write(world.ledger.record, world.link, lease, outcomes, Reservation(61, 20), 30.0)
        assert grant.held
        assert grant.go
    assert world.states() == {Q: 60, S: 40} == world.tallied()
    world.check()


@pytest.mark.longer
def test_a_chunk_released_in_the_middle_goes_on_at_the_exact_next_one(db: Database) -> None:
    world = build(db, 100)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, [], Reservation(41, 40), 30.0)
    db.write(world.ledger.record, world.link, lease, accepted(lease.items[:40]), None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    again = world.claim()
    assert again
    assert [item.seq for item in again.items] == list(range(42, 102))


def test_a_finished_chunk_is_not_given_out_again(db: Database) -> None:
    world = build(db, 50)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    assert world.claim() is None


@pytest.mark.longer
def test_only_what_was_deferred_is_sent_in_the_next_pass(db: Database) -> None:
    world = build(db, 50)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [
        SubmitOutcome(item, Deferred("0x58") if item.seq % 10 == 0 else Accepted((str(item.seq),)))
        for item in lease.items
    ]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    again = world.claim()
    assert again
    assert again.pass_no == 2
    assert [item.seq for item in again.items] == [10, 20, 30, 40, 50]
    world.check()


def test_the_next_pass_may_begin_under_the_same_lease_and_a_dead_holder_leaves_nothing_unknown(
    db: Database,
) -> None:
    world = build(db, 20)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [
        SubmitOutcome(item, Deferred("0x14") if item.seq % 10 == 0 else Accepted((str(item.seq),)))
        for item in lease.items
    ]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    items = db.write(world.ledger.next_pass, lease, "viettel")
    assert [item.seq for item in items] == [10, 20]
    assert (
        db.write(world.ledger.next_pass, lease, "viettel") == ()
    )  # a commit that is repeated, its answer being lost
    second = replace(lease, pass_no=2, items=items)
    db.write(world.ledger.record, world.link, second, [], Reservation(10, 1), -1.0)  # it dies
    taken = world.claim()  # by another process: the second pass had reserved the first of them alone
    assert taken
    assert (taken.lost, taken.pass_no, [item.seq for item in taken.items]) == (1, 2, [20])
    assert db.write(world.ledger.next_pass, second, "viettel") == ()
    db.write(world.ledger.record, world.link, taken, accepted(taken.items), None, 30.0)
    assert db.write(world.ledger.next_pass, taken, "viettel") == ()
    assert world.states() == {S: 19, U: 1}
    world.check()


def test_back_off_holds_the_next_pass(db: Database) -> None:
    world = build(db, 5)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(item, Deferred("0x58")) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    db.write(world.ledger.release, lease, 60.0)
    assert world.claim() is None


def test_patience_ends_with_a_carriers_own_trouble_but_not_with_throttling(db: Database) -> None:
    world = build(db, 2)
    world.fan_out()
    for _ in range(5):
        lease = world.claim()
        assert lease
        outcomes = [SubmitOutcome(item, Deferred("0x08", counts=item.seq == 2)) for item in lease.items]
        db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
        db.write(world.ledger.release, lease, 0.0)
    assert world.delivery(2)["state"] == DeliveryState.REJECTED
    assert world.delivery(3)["state"] == DeliveryState.QUEUED
    world.check()


def test_what_a_dead_holder_declared_and_did_not_record_is_unknown_and_the_rest_goes_on(db: Database) -> None:
    world = build(db, 100)
    world.fan_out()
    dead = world.claim(lease_s=0.0)
    assert dead
    db.write(world.ledger.record, world.link, dead, [], Reservation(21, 20), 0.0)
    db.write(world.ledger.record, world.link, dead, accepted(dead.items[:10]), Reservation(41, 20), -1.0)
    again = world.claim("heir")
    assert again
    assert again.lost == 30
    assert [item.seq for item in again.items] == list(range(42, 102))
    assert world.states() == {S: 10, U: 30, Q: 60} == world.tallied()
    listed = db.read(lambda c: c.execute(select(func.count()).select_from(unknowns)).scalar_one())
    assert listed == 30
    world.check()


@pytest.mark.longer
def test_a_deferred_one_of_a_dead_holder_is_not_unknown(db: Database) -> None:
    world = build(db, 20)
    world.fan_out()
    dead = world.claim(lease_s=0.0)
    assert dead
    db.write(world.ledger.record, world.link, dead, [], Reservation(21, 20), 0.0)
    deferred = [SubmitOutcome(item, Deferred("0x58")) for item in dead.items[:5]]
    db.write(world.ledger.record, world.link, dead, deferred, None, -1.0)
    heir = world.claim("heir")
    assert heir
    assert heir.lost == 15
    db.write(world.ledger.release, heir, 0.0)
    last = world.claim("heir")
    assert last
    assert [item.seq for item in last.items] == [2, 3, 4, 5, 6]
    world.check()


@pytest.mark.longer
def test_the_late_results_of_a_lost_lease_settle_its_unknowns_and_declare_nothing(db: Database) -> None:
    world = build(db, 30)
    world.fan_out()
    frozen = world.claim(lease_s=0.0)
    assert frozen
    db.write(world.ledger.record, world.link, frozen, [], Reservation(21, 20), -1.0)
    heir = world.claim("heir")
    assert heir
    assert not db.write(world.ledger.renew, frozen, 30.0)
    late = [
        *accepted(frozen.items[:15]),
        *(SubmitOutcome(item, Deferred("0x58")) for item in frozen.items[15:20]),
    ]
    grant = db.write(world.ledger.record, world.link, frozen, late, Reservation(31, 10), 30.0)
    assert not grant.held
    assert not grant.go
    assert world.states() == {S: 15, Q: 15} == world.tallied()
    db.write(world.ledger.release, frozen, 0.0)
    assert world.claim("third") is None
    world.check()


@pytest.mark.longer
def test_every_lease_can_be_ended_at_the_start(db: Database) -> None:
    world = build(db, 10)
    world.fan_out()
    assert world.claim()
    assert world.claim() is None
    assert db.write(world.ledger.reclaim) == 1
    assert world.claim()


@pytest.mark.longer
def test_a_paused_run_grants_nothing_more(db: Database) -> None:
    world = build(db, 10)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(lambda c: c.execute(update(runs).values(state=RunState.PAUSED.value)))
    grant = db.write(world.ledger.record, world.link, lease, [], Reservation(5, 4), 30.0)
    assert grant.held
    assert not grant.go


def test_a_halted_result_stops_the_link_with_its_reason(db: Database) -> None:
    world = build(db, 10)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(lease.items[0], Halted("0x0E", "the password is wrong"))]
    assert not db.write(world.ledger.record, world.link, lease, outcomes, Reservation(11, 9), 30.0).go
    row = db.read(lambda c: c.execute(select(links)).one())
    assert (row.state, row.code, row.reason) == (LinkState.HALTED, "0x0E", "the password is wrong")
    assert world.states() == {Q: 10}


def test_what_was_recorded_before_is_passed_over_and_the_rest_is_written(db: Database) -> None:
    world = build(db, 10)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = accepted(list(lease.items))
    for some in (outcomes[:4], outcomes, outcomes):
        db.write(world.ledger.record, world.link, lease, some, None, 30.0)
    names = db.read(lambda c: c.execute(select(submissions.c.reference)).scalars().all())
    assert sorted(names) == sorted(f"m{item.seq}" for item in lease.items)
    assert world.states() == {DeliveryState.SUBMITTED: 10}
    world.check()


def test_the_rate_is_shared_by_all_who_reserve_it(db: Database) -> None:
    world = build(db, 100)
    world.fan_out()
    lease = world.claim()
    assert lease
    asked = clock.monotonic()
    starts = [
        db.write(world.ledger.record, world.link, lease, [], Reservation(upto, 100), 30.0).start
        for upto in (11, 21, 31)
    ]
    assert asked <= starts[0] <= clock.monotonic()
    assert starts[1] - starts[0] == pytest.approx(1.0, abs=0.5)
    assert starts[2] - starts[1] == pytest.approx(1.0, abs=0.5)


def test_a_stretched_reservation_takes_more_of_the_rate(db: Database) -> None:
    world = build(db, 100)
    world.fan_out()
    lease = world.claim()
    assert lease
    slow = db.write(world.ledger.record, world.link, lease, [], Reservation(11, 100, stretch=4.0), 30.0)
    grant = db.write(world.ledger.record, world.link, lease, [], Reservation(21, 100), 30.0)
    assert grant.start - slow.start == pytest.approx(4.0, abs=0.5)


def test_a_clock_that_is_set_back_does_not_hold_the_link_up_for_as_long(db: Database) -> None:
    """What a clock that was an hour ahead has reserved would keep the link silent for an hour."""
    world = build(db, 100)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, [], Reservation(11, 100), 30.0)
    hour = update(link_pace).values(next_free_us=link_pace.c.next_free_us + 3_600_000_000)
    db.write(lambda c: c.execute(hour))
    asked = clock.monotonic()
    grant = db.write(world.ledger.record, world.link, lease, [], Reservation(21, 100), 30.0)
    assert 3.0 < grant.start - asked <= (5.5 if db.sqlite else 16 * 5.0 + 0.5)
    again = db.write(world.ledger.record, world.link, lease, [], Reservation(31, 100), 30.0)
    assert again.start - grant.start == pytest.approx(1.0, abs=0.5)


@pytest.mark.longer
def test_closing_a_run_counts_what_was_not_sent(db: Database) -> None:
    world = build(db, 250)
    world.fan_out()
    held = world.claim()
    assert held
    assert db.write(world.ledger.close_unsent, world.run, NotSent.CANCELLED, 10).left == 1
    assert world.states() == {Q: 100, N: 150} == world.tallied()
    db.write(world.ledger.release, held, 0.0)
    assert db.write(world.ledger.close_unsent, world.run, NotSent.CANCELLED, 10).left == 0
    assert world.states() == {N: 250}
    world.check()


@pytest.mark.longer
def test_closing_a_dead_holders_chunk_leaves_its_unknowns_unknown(db: Database) -> None:
    world = build(db, 50)
    world.fan_out()
    dead = world.claim(lease_s=0.0)
    assert dead
    db.write(world.ledger.record, world.link, dead, [], Reservation(11, 10), -1.0)
    assert db.write(world.ledger.close_unsent, world.run, NotSent.WINDOW_CLOSED, 10).left == 0
    assert world.states() == {U: 10, N: 40} == world.tallied()
    world.check()


def test_an_unknown_result_is_listed_with_its_reason(db: Database) -> None:
    world = build(db, 3)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(lease.items[0], Unknown("the bind broke"))]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    row = db.read(lambda c: c.execute(select(unknowns)).one())
    assert (row.seq, row.phone, row.why) == (2, FIRST_PHONE, "the bind broke")

"""A budget: what is reserved is counted once, what was not taken comes back, and nothing goes beyond it."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.core import clock
from app.core.config import MoneySettings, PriceSettings
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import budgets, campaigns, chunks, deliveries, links, runs
from app.dispatch import restore_recovery
from app.dispatch.run_content import ClaimedChunk, claim, run_contents
from app.dispatch.send_loop import SendLoop
from app.ledger import money
from app.ledger.contract import (
    ChunkLease,
    Reservation,
    ReservationResult,
    SubmitOutcome,
)
from carriers.contract import (
    NOT_SENT,
    Accepted,
    Deferred,
    OutboundSms,
    Reason,
    Rejected,
    SubmitResult,
    Unknown,
)
from tests.app.dispatch.paper import PaperCarrier, loop_for, until
from tests.app.world import World, accepted, build
from tests.sampled import each_third

S, U, R, Q = (
    DeliveryState.SUBMITTED,
    DeliveryState.UNKNOWN,
    DeliveryState.REJECTED,
    DeliveryState.QUEUED,
)


def budgeted(db: Database, count: int, segments: int | None = None, **more: Any) -> World:
    """A run of so many, with a budget of so many SMS parts."""
    world = build(db, count, chunk=more.pop("chunk", 50))
    world.fan_out()
    db.write(money.open_budget, world.campaign)
    world.rewrite(budget_segments=segments, **more)
    db.write(lambda c: c.execute(update(links).values(segments_per_second=1_000_000.0)))
    return world


def held(world: World, owner: str = "a", lease_s: float = 30.0) -> ChunkLease:
    lease = world.claim(owner, lease_s)
    assert lease
    return replace(lease, budget=world.campaign)


def record(
    world: World, lease: ChunkLease, outcomes: list[SubmitOutcome], upto: int = 0, segments: int = 0
) -> ReservationResult:
    then = Reservation(upto, segments) if upto else None
    return world.db.write(world.ledger.record, world.link, lease, outcomes, then, 30.0)


def spent(world: World) -> int:
    return world.db.read(lambda c: int(c.execute(select(budgets.c.segments)).scalar_one()))


def priced(db: Database, **prices: str) -> None:
    """Let the database be one of a process whose settings have these prices."""
    own = {name: PriceSettings(carrier=name, dong=Decimal(each)) for name, each in prices.items()}
    for engine in {db.engine, db._hot}:
        engine.update_execution_options(loa_price=MoneySettings(prices=own).price)


def told(lease: ChunkLease, result: SubmitResult, n: int) -> list[SubmitOutcome]:
    return [SubmitOutcome(item, result) for item in lease.items[:n]]


@pytest.mark.longer
def test_a_reservation_is_counted_once_however_often_its_commit_is_repeated(db: Database) -> None:
    world = budgeted(db, 50, 100)
    lease = held(world)
    for _ in range(3):
        assert record(world, lease, [], 21, 20).go
    assert spent(world) == 20
    for _ in range(2):  # its results, and the next half, repeated as well
        assert record(world, lease, accepted(lease.items[:20]), 41, 20).go
    assert spent(world) == 40


def test_what_does_not_fit_is_not_reserved_and_says_how_much_would(db: Database) -> None:
    world = budgeted(db, 50, 30)
    lease = held(world)
    assert record(world, lease, [], 21, 20).go
    grant = record(world, lease, [], 41, 20)
    assert (grant.held, grant.go, grant.left) == (True, False, 10)
    assert spent(world) == 20
    assert world.db.read(lambda c: c.execute(select(chunks.c.watermark)).scalar_one()) == 21
    assert record(world, lease, [], 31, 10).go
    assert record(world, lease, [], 32, 1).left == 0
    assert db.read(money.spent, [world.campaign]) == {world.campaign}


@pytest.mark.parametrize(
    ("result", "left"),
    [
        (Accepted(("m",)), 20),
        (Unknown("no answer"), 20),
        (Rejected("8", Reason.FILTERED), 0),
        (Deferred("0x58"), 0),
        (NOT_SENT, 0),
    ],
)
def test_what_the_carrier_has_not_taken_comes_back_once(
    db: Database, result: SubmitResult, left: int
) -> None:
    world = budgeted(db, 50, 100)
    lease = held(world)
    record(world, lease, [], 21, 20)
    for _ in range(2):
        record(world, lease, told(lease, result, 20))
    assert spent(world) == left


def test_what_a_dead_holder_had_reserved_stays_spent_and_is_not_counted_again(db: Database) -> None:
    world = budgeted(db, 50, 100)
    lease = held(world, lease_s=0.0)
    record(world, lease, [], 21, 20)
    world.db.write(lambda c: c.execute(update(chunks).values(lease_until=1)))
    again = held(world, "b")
    assert again.lost == 20
    assert record(world, again, [], 51, 30).go
    assert spent(world) == 50
    world.check()


@pytest.mark.longer
def test_what_a_frozen_holder_certainly_did_not_send_comes_back_when_it_says_so(db: Database) -> None:
    world = budgeted(db, 50, 100)
    lease = held(world)
    record(world, lease, [], 21, 20)
    world.db.write(lambda c: c.execute(update(chunks).values(lease_until=1)))
    held(world, "b")
    assert world.states() == {Q: 30, U: 20}
    outcomes = told(lease, NOT_SENT, 12) + accepted(lease.items[12:20])
    for _ in range(2):
        assert not record(world, lease, outcomes).held
    assert world.states() == {Q: 42, S: 8}
    assert spent(world) == 8


def test_a_lost_lease_and_a_paused_run_reserve_nothing_and_spend_nothing(db: Database) -> None:
    world = budgeted(db, 50, 100)
    lease = held(world)
    assert not record(world, replace(lease, attempt=7), [], 21, 20).held
    db.write(lambda c: c.execute(update(runs).values(state=RunState.PAUSED.value)))
    assert not record(world, lease, [], 21, 20).go
    assert spent(world) == 0


def test_a_deferred_message_is_counted_again_in_its_next_pass(db: Database) -> None:
    world = budgeted(db, 5, 5)
    lease = held(world)
    record(world, lease, [], 6, 5)
    record(world, lease, told(lease, Deferred("0x58"), 5))
    world.db.write(world.ledger.release, lease, 0.0)
    again = held(world, "b")
    assert again.pass_no == 2
    assert record(world, again, [], 6, 5).go
    assert spent(world) == 5


def test_what_a_thief_deletes_leaves_no_room(db: Database) -> None:
    world = budgeted(db, 50, 40)
    lease = held(world)
    assert record(world, lease, [], 31, 30).go
    world.db.write(lambda c: c.execute(budgets.delete()))
    assert record(world, lease, [], 32, 1).left == 0


def test_two_campaigns_that_share_a_budget_are_counted_together(db: Database) -> None:
    world = budgeted(db, 50, 30)
    lease = held(world)
    assert record(world, lease, [], 21, 20).go
    own = dict(db.read(lambda c: c.execute(select(campaigns)).one())._mapping)
    follow_up = own | {"id": 77, "budget_segments": None, "budget_of": world.campaign}
    db.write(lambda c: c.execute(campaigns.insert().values(follow_up)))
    row = db.read(lambda c: c.execute(select(campaigns).where(campaigns.c.id == 77)).one())
    assert money.account_of(row) == world.campaign
    budget = db.read(money.budget_of, row)
    assert budget
    assert (budget.campaign_id, budget.segments, budget.spent_segments) == (world.campaign, 30, 20)


def test_a_recount_has_what_every_campaign_of_a_shared_budget_has_sent(db: Database) -> None:
    world = budgeted(db, 50, 30)
    lease = held(world)
    record(world, lease, [], 21, 20)
    record(world, lease, accepted(lease.items[:20]))
    own = dict(db.read(lambda c: c.execute(select(campaigns)).one())._mapping)
    shared = {"budget_segments": None, "budget_of": 76}
    rows = [own | {"id": 76}, own | {"id": 77} | shared]
    db.write(lambda c: c.execute(campaigns.insert(), rows))
    world.rewrite(**shared)
    db.write(money.open_budget, 76)
    db.write(lambda c: c.execute(update(budgets).values(segments=0)))
    row = db.read(lambda c: c.execute(select(campaigns).where(campaigns.c.id == 77)).one())
    assert "counts 0 SMS parts as spent, and 20 were handed over" in db.write(money.recount, row)
    assert db.write(money.recount, row) == ""
    budget = db.read(money.budget_of, row)
    assert budget
    assert (budget.campaign_id, budget.spent_segments) == (76, 20)


@pytest.mark.parametrize(("reserved", "taken", "put_off"), [(0, 0, 0), (20, 0, 0), (20, 5, 3)])
def test_what_becomes_unknown_after_a_backup_was_put_back_is_spent(
    db: Database, reserved: int, taken: int, put_off: int
) -> None:
    world = budgeted(db, 50, 30, chunk=25)
    lease = held(world)
    if reserved:
        assert record(world, lease, [], lease.items[reserved - 1].seq, reserved).go
    outcomes = accepted(lease.items[:taken]) + told(lease, Deferred("0x58"), taken + put_off)[taken:]
    record(world, lease, outcomes)
    db.write(lambda c: c.execute(update(chunks).values(lease_until=1)))
    restore_recovery.mark_live_runs_unknown(db, world.ledger, "root@host")
    assert world.states() == ({U: 45, S: 5} if taken else {U: 50})
    assert spent(world) == 50
    assert db.read(money.differences) == []


@pytest.mark.parametrize("fits", [1, 7, 99])
def test_the_limit_holds_to_its_end(db: Database, fits: int) -> None:
    world = budgeted(db, 120, fits, chunk=120)
    lease = held(world)
    assert record(world, lease, [], fits + 2, fits + 1).left == fits
    assert spent(world) == 0
    assert record(world, lease, [], fits + 1, fits).go
    assert spent(world) == fits


@pytest.mark.parametrize("segments", [None, 5])
def test_a_campaign_has_a_budget_where_it_has_a_limit(db: Database, segments: int | None) -> None:
    world = budgeted(db, 1, segments, budget_dong=9)
    budget = db.read(lambda c: money.budget_of(c, c.execute(select(campaigns)).one()))
    assert budget == (money.Budget(world.campaign, segments, 0) if segments else None)


# ---- The send loop, several at once


def answers(seed: int) -> Any:
    """A carrier that refuses, puts off and loses some."""
    place = random.Random(seed)

    def answer(sms: OutboundSms) -> SubmitResult:
        dice = place.random()
        if dice < 0.1:
            return Deferred("0x58", throttled=False)
        if dice < 0.15:
            return Rejected("8", Reason.FILTERED)
        return Unknown("no answer") if dice < 0.2 else Accepted((f"r{sms.phone}",))

    return answer


async def at_work(loops: list[SendLoop], ends: Any) -> None:
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        await until(ends, 30)
    finally:
        for loop in loops:
            loop.stop()
        await asyncio.wait_for(asyncio.gather(*tasks), 20)


LEASED = select(func.count()).select_from(chunks).where(chunks.c.state == 1)


@pytest.mark.longer
@pytest.mark.parametrize(("ceiling", "parts"), each_third([(299, 1), (300, 1), (1, 1), (301, 2)]))
async def test_four_senders_spend_the_budget_to_the_last_message_and_not_one_more(
    db: Database, ceiling: int, parts: int
) -> None:
    world = budgeted(db, 800, ceiling, chunk=40)
    db.write(lambda c: c.execute(update(deliveries).values(segments=parts)))
    carriers = [PaperCarrier(delay_s=0.002) for _ in range(4)]
    for seed, carrier in enumerate(carriers):
        carrier.answer = answers(seed)
        await carrier.open()
    full = ceiling - ceiling % parts

    def over() -> bool:
        """All is spent and nothing under way, at one moment: what is under way may come back."""
        return db.read(lambda c: (c.scalar(select(budgets.c.segments)), c.scalar(LEASED))) == (full, 0)

    await at_work([loop_for(world, carrier) for carrier in carriers], over)
    states = world.states()
    assert parts * (states.get(S, 0) + states.get(U, 0)) == full
    assert spent(world) == full
    assert sum(sum(carrier.copies.values()) for carrier in carriers) == states.get(S, 0)


async def test_a_budget_of_exactly_all_sends_all_and_stops_nothing(db: Database) -> None:
    world = budgeted(db, 200, 200, chunk=40)
    carriers = [PaperCarrier(delay_s=0.002) for _ in range(4)]
    for carrier in carriers:
        await carrier.open()
    await at_work([loop_for(world, c) for c in carriers], lambda: world.states() == {S: 200})
    assert db.read(money.spent, [world.campaign]) == set()


def test_a_spent_budget_is_not_claimed_from_and_room_opens_it_again(db: Database) -> None:
    world = budgeted(db, 50, 10)
    found = db.write(claim, world.ledger, world.link, "a", 30.0)
    assert isinstance(found, ClaimedChunk)
    assert found.lease.budget == world.campaign
    record(world, found.lease, [], 11, 10)
    assert record(world, found.lease, [], 12, 1).left == 0
    now = found.at
    assert db.write(run_contents, "viettel", now) == []
    record(world, found.lease, told(found.lease, NOT_SENT, 1))
    assert len(db.write(run_contents, "viettel", now)) == 1


def test_a_raised_budget_in_the_database_alone_stops_the_run(db: Database) -> None:
    world = budgeted(db, 50, 10)
    db.write(lambda c: c.execute(update(campaigns).values(budget_segments=11)))
    found = db.write(claim, world.ledger, world.link, "a", 30.0)
    assert not isinstance(found, ClaimedChunk)
    assert db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == RunState.PAUSED


def test_a_counter_that_somebody_has_set_back_is_a_difference(db: Database) -> None:
    world = budgeted(db, 50, 30)
    lease = held(world)
    record(world, lease, [], 21, 20)
    record(world, lease, accepted(lease.items[:20]))
    assert db.read(money.differences) == []
    db.write(lambda c: c.execute(update(budgets).values(segments=19)))
    (sentence,) = db.read(money.differences)
    assert "counts 19 SMS parts as spent, and 20 were handed over" in sentence


# ---- Cost


@pytest.mark.parametrize(("segments", "price", "cost"), [(3, "250.5", 752), (1, "0.49", 0), (0, "300", 0)])
def test_a_cost_is_rounded_once_and_a_half_goes_up(segments: int, price: str, cost: int) -> None:
    assert money.dong(segments, Decimal(price)) == cost


def test_what_a_run_has_cost_follows_the_one_price_list(db: Database) -> None:
    world = build(db, 6)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, told(lease, Accepted(("m",)), 4), None, 30.0)
    lost = [SubmitOutcome(lease.items[4], Unknown("no answer"))]
    db.write(world.ledger.record, world.link, lease, lost, None, 30.0)
    assert db.read(money.costs, [world.run]) == {}
    priced(db, viettel="100.5")
    assert db.read(money.costs, [world.run]) == {}  # it has not begun
    db.write(lambda c: c.execute(update(runs).values(started_at=clock.now_ms())))
    assert db.read(money.costs, [world.run]) == {world.run: money.SentCost(5, 1, 503)}
    priced(db, viettel="200", vnpt="1")
    assert db.read(money.costs, [world.run]) == {world.run: money.SentCost(5, 1, 1000)}
    priced(db, vnpt="1")
    assert db.read(money.costs, [world.run]) == {}

"""The send loop: everyone once, in order, at the pace, and nothing claimed that is not known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.core import clock
from app.core.states import CampaignState, ChunkState, DeliveryState, LinkState, RunState
from app.database.connection import Database
from app.database.models import campaigns, chunks, runs, submissions, unknowns
from app.database.models import links as links_table
from app.dispatch import link_store
from app.dispatch.run_content import run_contents
from app.dispatch.send_loop import SendLoop
from app.ledger.contract import ReservationResult, ResultKind
from carriers.contract import (
    Accepted,
    Halted,
    OutboundSms,
    Reason,
    ReceiptLevel,
    Rejected,
    SubmitResult,
    Unknown,
)
from tests.app.dispatch.paper import PaperCarrier, loop_for, until
from tests.app.world import World, build
from tests.operations import carry_out

Q, S, U = int(DeliveryState.QUEUED), int(DeliveryState.SUBMITTED), int(DeliveryState.UNKNOWN)


@asynccontextmanager
async def running(loop: SendLoop) -> AsyncIterator[None]:
    """The loop at work; stopped in order at the end."""
    task = asyncio.create_task(loop.run())
    try:
        yield
    finally:
        loop.stop()
        await asyncio.wait_for(task, 20)


def ready(db: Database, count: int, rate: float = 1_000_000.0) -> World:
    world = build(db, count, chunk=50)
    world.fan_out()
    db.write(lambda c: c.execute(update(links_table).values(segments_per_second=rate)))
    return world


def order(db: Database, to: RunState) -> None:
    db.write(lambda c: c.execute(update(runs).values(state=to.value)))


def leased(db: Database) -> int:
    found = select(func.count()).where(chunks.c.state == ChunkState.LEASED)
    return int(db.read(lambda c: c.execute(found).scalar_one()))


async def test_everybody_gets_the_text_once_and_the_wire_holds_a_sub_batch_at_most(db: Database) -> None:
    world, carrier = ready(db, 230), PaperCarrier(delay_s=0.002)
    await carrier.open()
    async with running(loop_for(world, carrier)):
        await until(lambda: world.states() == {S: 230})
        await until(lambda: leased(db) == 0)
    assert set(carrier.copies.values()) == {1}
    assert len(carrier.copies) == 230
    assert carrier.texts == {"Canh giac lua dao": 230}
    assert carrier.most_on_wire <= 20
    world.check()


async def test_a_pause_stops_within_one_sub_batch_and_goes_on_at_the_next_one(db: Database) -> None:
    world, carrier = ready(db, 300), PaperCarrier(delay_s=0.01)
    await carrier.open()
    async with running(loop_for(world, carrier)):
        await until(lambda: len(carrier.copies) >= 60)
        order(db, RunState.PAUSED)
        at_the_click = len(carrier.copies)
        await until(lambda: leased(db) == 0)
        assert len(carrier.copies) <= at_the_click + 20
        paused_at = len(carrier.copies)
        await asyncio.sleep(0.2)
        assert len(carrier.copies) == paused_at
        assert world.states() == {S: paused_at, Q: 300 - paused_at}
        order(db, RunState.RUNNING)
        await until(lambda: world.states() == {S: 300})
    assert set(carrier.copies.values()) == {1}
    world.check()


async def test_stopping_leaves_no_claim_and_drops_nothing_in_flight(db: Database) -> None:
    world, carrier = ready(db, 200), PaperCarrier(delay_s=0.02)
    await carrier.open()
    async with running(loop_for(world, carrier)):
        await until(lambda: len(carrier.copies) >= 20)
    assert leased(db) == 0
    assert world.states() == {S: len(carrier.copies), Q: 200 - len(carrier.copies)}
    world.check()


async def test_outside_the_sending_hours_nothing_goes(db: Database) -> None:
    world, carrier = ready(db, 10), PaperCarrier()
    later = clock.now_ms() + 3_600_000
    world.rewrite(window_start=later)
    await carrier.open()
    async with running(loop_for(world, carrier)):
        await asyncio.sleep(0.1)
        assert not carrier.copies
        world.rewrite(window_start=None)
        await until(lambda: world.states() == {S: 10})


async def test_when_the_sending_hours_end_the_link_stops_in_mid_chunk(db: Database) -> None:
    """The chunk lasts ten seconds: a machine that stands still for some of them changes nothing."""
    world, carrier = ready(db, 50, rate=5.0), PaperCarrier(segments_per_second=5)
    await carrier.open()
    closes = clock.now_ms() + 3000
    world.rewrite(window_end=closes)
    async with running(loop_for(world, carrier)):
        await until(lambda: clock.now_ms() > closes and leased(db) == 0)
        sent = len(carrier.copies)
    assert 0 < sent < 50
    assert world.states() == {S: sent, Q: 50 - sent}


async def test_a_campaign_that_loses_its_approval_stops_in_mid_chunk(db: Database) -> None:
    world, carrier = ready(db, 50, rate=50.0), PaperCarrier(segments_per_second=50)
    await carrier.open()
    async with running(loop_for(world, carrier)):
        await until(lambda: len(carrier.copies) >= 5)
        db.write(lambda c: c.execute(update(campaigns).values(state=CampaignState.DRAFT.value)))
        await until(lambda: leased(db) == 0)
        sent = len(carrier.copies)
        await asyncio.sleep(0.2)
        assert len(carrier.copies) == sent < 50


async def test_a_halted_link_stops_leaves_the_link_and_goes_on_when_a_person_resumes_it(db: Database) -> None:
    world, carrier = ready(db, 40), PaperCarrier()
    carrier.answer = lambda _: Halted("1", "the account is used up")
    await carrier.open()
    async with running(loop_for(world, carrier)):
        await until(lambda: db.read(link_store.state, world.link.id) is LinkState.HALTED)
        await until(lambda: not carrier.up.is_set())
        carrier.answer = lambda sms: Accepted((sms.phone,))
        assert world.states() == {Q: 40}
        carry_out(db, "resume_link", link_id=world.link.id)
        await until(lambda: world.states() == {S: 40})
    assert carrier.opened == 2
    assert set(carrier.copies.values()) == {1}
    world.check()


async def test_a_link_that_needs_a_person_halts_its_link(db: Database) -> None:
    world, carrier = ready(db, 5), PaperCarrier()
    carrier.refusal = Halted("0x0E", "the password is wrong")
    async with running(loop_for(world, carrier)):
        await until(lambda: db.read(link_store.state, world.link.id) is LinkState.HALTED)
    assert world.states() == {Q: 5}


async def test_a_link_that_is_down_holds_everything_until_it_is_up(db: Database) -> None:
    world, carrier = ready(db, 5), PaperCarrier()
    async with running(loop_for(world, carrier)):
        await asyncio.sleep(0.1)
        assert leased(db) == 0
        await carrier.open()
        await until(lambda: world.states() == {S: 5})


@pytest.mark.parametrize("fault", ["raises", "too few results"])
async def test_an_adapters_fault_makes_its_messages_unknown_and_they_are_not_sent_again(
    db: Database, fault: str
) -> None:
    world, carrier = ready(db, 30), PaperCarrier()
    if fault == "raises":
        carrier.broken = RuntimeError("a fault inside")
    else:
        carrier.submit = lambda parcel: asyncio.sleep(0, [Unknown("x")])  # type: ignore[method-assign,assignment]
    await carrier.open()
    async with running(loop_for(world, carrier)):
        await until(lambda: world.states() == {U: 30})
        await until(lambda: leased(db) == 0)
    assert db.read(lambda c: c.execute(select(func.count()).select_from(unknowns)).scalar_one()) == 30
    world.check()


async def test_an_unclear_answer_that_says_too_fast_slows_the_link_and_is_not_sent_again(
    db: Database,
) -> None:
    world, carrier = ready(db, 60, rate=20.0), PaperCarrier()
    carrier.answer = lambda _: Unknown("HTTP 429", throttled=True)
    await carrier.open()
    async with running(loop := loop_for(world, carrier)):
        await until(lambda: loop._pace.share < 0.8, 10)
    assert world.states()[U] == len(carrier.arrivals)
    assert set(world.states()) <= {U, Q}
    world.check()


async def test_a_refused_number_is_refused_once(db: Database) -> None:
    world, carrier = ready(db, 3), PaperCarrier()
    carrier.answer = lambda _: Rejected("0x0B", Reason.NO_SUCH_NUMBER)
    await carrier.open()
    async with running(loop_for(world, carrier)):
        await until(lambda: world.states() == {int(DeliveryState.REJECTED): 3})
    assert sum(carrier.texts.values()) == 3


async def test_a_slow_carrier_does_not_lose_the_lease(db: Database) -> None:
    world, carrier = ready(db, 10), PaperCarrier(delay_s=3.0)
    until_when = select(func.max(chunks.c.lease_until))
    await carrier.open()
    async with running(loop_for(world, carrier, lease_s=3.0)):
        await until(lambda: carrier.on_wire == 10)
        first = db.read(lambda c: c.execute(until_when).scalar_one())
        await until(lambda: db.read(lambda c: c.execute(until_when).scalar_one()) > first)
        assert world.claim("thief") is None
        await until(lambda: world.states() == {S: 10})
    assert set(carrier.copies.values()) == {1}


async def test_after_its_deadline_a_link_sends_nothing_more_of_the_chunk(db: Database) -> None:
    """A frozen process that wakes up must not send what another may have taken over."""
    world, carrier = ready(db, 10, rate=20.0), PaperCarrier(segments_per_second=20)
    await carrier.open()
    loop = loop_for(world, carrier, lease_s=1000)
    loop._pace.went(10, is_whole=True)
    async with running(loop):
        await until(lambda: len(carrier.copies) >= 2)
        for flight in loop._wire:
            flight.chunk.permit.until = 0.0
        await until(lambda: world.states() == {S: 10})
    held_back = select(func.count()).where(submissions.c.result == ResultKind.DEFERRED)
    assert db.read(lambda c: c.execute(held_back).scalar_one()) >= 5
    assert set(carrier.copies.values()) == {1}
    world.check()


async def test_the_pace_is_kept(db: Database) -> None:
    world, carrier = ready(db, 60, rate=100.0), PaperCarrier(segments_per_second=100)
    await carrier.open()
    started = clock.monotonic()
    async with running(loop_for(world, carrier)):
        await until(lambda: world.states() == {S: 60})
    assert clock.monotonic() - started >= 0.5  # 60 segments at 100 a second, the first at once


async def test_a_run_with_a_rate_of_its_own_is_sent_no_faster_and_the_next_one_as_before(
    db: Database,
) -> None:
    world, carrier = ready(db, 110, rate=200.0), PaperCarrier(segments_per_second=200)
    db.write(lambda c: c.execute(update(runs).values(segments_per_second=50)))
    await carrier.open()
    loop, started = loop_for(world, carrier), clock.monotonic()
    async with running(loop):
        await until(lambda: len(carrier.copies) >= 50)
        assert clock.monotonic() - started >= 0.8  # 50 segments at 50 a second, the first slice at once
        db.write(lambda c: c.execute(update(runs).values(segments_per_second=None)))
        await until(lambda: world.states() == {S: 110})
        assert loop._pace.now == loop._pace.share == 1.0
    assert set(carrier.copies.values()) == {1}
    world.check()


async def test_two_links_share_a_run_s_own_rate_by_their_rates(db: Database) -> None:
    world = ready(db, 10, rate=300.0)
    db.write(
        link_store.register,
        link_store.LinkRecord("viettel-2", "viettel", "viettel-1", 100.0, ReceiptLevel.NONE),
    )
    for own, share in ((None, 1.0), (100, 0.25), (1000, 1.0), (1, 0.1)):
        db.write(lambda c, own=own: c.execute(update(runs).values(segments_per_second=own)))
        (content,) = db.read(run_contents, "viettel", clock.now())
        assert content.share == share
    assert world.states() == {Q: 10}


async def test_what_is_late_is_not_made_up_for_and_everybody_gets_it_once(db: Database) -> None:
    """Others may have reserved the time behind a half: what does not fit in it any more has new time."""
    world, carrier = ready(db, 60, rate=100.0), PaperCarrier(segments_per_second=100)
    busy = iter([0.3])

    def answer(sms: OutboundSms) -> SubmitResult:
        time.sleep(next(busy, 0.0))  # the whole process is kept from its work
        return Accepted((f"r{sms.phone}",))

    carrier.answer = answer
    await carrier.open()
    started = clock.monotonic()
    async with running(loop_for(world, carrier)):
        await until(lambda: world.states() == {S: 60})
    assert clock.monotonic() - started >= 0.8
    assert set(carrier.copies.values()) == {1}
    assert carrier.most_on_wire <= 20
    world.check()


async def test_a_database_slower_than_a_half_s_time_holds_up_nothing_for_ever(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slot that is over when its commit is answered is used all the same: the next would be late, too."""
    world, carrier = ready(db, 60, rate=100.0), PaperCarrier(segments_per_second=100)
    record, commits = world.ledger.record, []

    def slowly(*arguments: Any) -> ReservationResult:
        commits.append(record(*arguments))
        time.sleep(0.13)  # a half of ten takes a tenth of a second
        return commits[-1]

    monkeypatch.setattr(world.ledger, "record", slowly)
    await carrier.open()
    loop = loop_for(world, carrier)
    async with running(loop):
        await until(lambda: world.states() == {S: 60})
    assert len(commits) <= 30
    assert (loop.unrecorded, loop._reserved) == (0, 0)
    assert set(carrier.copies.values()) == {1}


async def test_what_is_late_is_not_sent_after_a_pause_that_came_in_between(db: Database) -> None:
    """Each half lasts 0.05 s at least, so that a busy machine is late by nothing beside it."""
    world, carrier = ready(db, 40, rate=20.0), PaperCarrier(segments_per_second=20)
    count = iter(range(40))

    def answer(sms: OutboundSms) -> SubmitResult:
        if next(count) == 4:
            order(db, RunState.PAUSED)
            time.sleep(0.6)  # both halves have lost their time, before orders are looked at again
        return Accepted((f"r{sms.phone}",))

    carrier.answer = answer
    await carrier.open()
    loop = loop_for(world, carrier)
    async with running(loop):
        await until(lambda: len(carrier.copies) >= 5 and not leased(db))
        assert len(carrier.copies) <= 8  # one of each half under way had its turn
        await until(lambda: loop.unrecorded == 0)  # the release is committed before the loop goes on
        order(db, RunState.RUNNING)
        await until(lambda: world.states() == {S: 40})
    assert set(carrier.copies.values()) == {1}
    world.check()


async def test_the_pace_counts_parts_and_not_messages(db: Database) -> None:
    """Twenty messages of three parts at 60 parts a second last a second, however busy the machine is."""
    world, carrier = build(db, 20), PaperCarrier(segments_per_second=60)
    db.write(world.ledger.open_campaign, world.campaign)
    db.write(world.ledger.fan_out, world.run, world.batch, 3, 100)
    db.write(lambda c: c.execute(update(links_table).values(segments_per_second=60.0)))
    await carrier.open()
    async with running(loop_for(world, carrier)):
        await until(lambda: world.states() == {S: 20})
    assert carrier.arrivals[-1] - carrier.arrivals[0] >= 0.95 * 19 * 3 / 60
    assert set(carrier.copies.values()) == {1}


async def test_two_links_of_one_carrier_share_the_work_without_a_copy(db: Database) -> None:
    world, carrier = ready(db, 400), PaperCarrier(delay_s=0.005)
    other = World(db, world.ledger, world.campaign, world.run, world.batch, world.link)
    facts = link_store.LinkRecord("viettel-2", "viettel", "viettel-1", 1_000_000.0, carrier.receipt_level)
    other.link = db.write(link_store.register, facts)
    assert other.link.group_id == world.link.id
    await carrier.open()
    async with running(loop_for(world, carrier)), running(loop_for(other, carrier)):
        await until(lambda: world.states() == {S: 400})
    assert set(carrier.copies.values()) == {1}
    world.check()


async def test_what_a_slow_carrier_leaves_waits_for_it_and_another_one_never_takes_it(db: Database) -> None:
    world, slow, idle = ready(db, 60), PaperCarrier(delay_s=0.25), PaperCarrier()
    other = World(db, world.ledger, world.campaign, world.run, world.batch, world.link)
    facts = link_store.LinkRecord("vnpt-1", "vnpt", "vnpt-1", 1_000_000.0, idle.receipt_level)
    other.link = db.write(link_store.register, facts)
    await slow.open()
    await idle.open()
    async with running(loop_for(world, slow)), running(loop_for(other, idle)):
        await until(lambda: 0 < len(slow.copies) < 60)
        order(db, RunState.PAUSED)  # what is left now would be for whoever comes first
        await until(lambda: leased(db) == 0)
        order(db, RunState.RUNNING)
        await until(lambda: world.states() == {S: 60})
    assert set(slow.copies.values()) == {1}
    assert not idle.copies
    world.check()

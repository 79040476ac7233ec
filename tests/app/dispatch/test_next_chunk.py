"""The chunk that a fast link claims ahead: everyone once, and nothing of it after an order or its time."""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.core.states import CampaignState, LinkState, RunState
from app.database import schema
from app.database.connection import Database
from app.database.models import campaigns, chunks, do_not_send
from app.dispatch import link_store
from app.dispatch.claims import Claims, HeldChunk
from app.dispatch.run_content import ClaimedChunk, still_going
from app.dispatch.send_loop import SendLoop
from app.ledger.contract import ChunkLease
from app.privacy import do_not_send as do_not_send_list
from carriers.contract import Accepted, Deferred, Halted, LinkHealth, OutboundSms, SubmitResult
from tests.app.dispatch.paper import PaperCarrier, loop_for, until
from tests.app.server_clock import apart as apart
from tests.app.world import FIRST_PHONE, World, add_batch, build
from tests.engines import on_sqlite
from tests.long.app.dispatch.test_send_loop import Q, S, U, leased, order, ready, running
from tests.operations import carry_out


@asynccontextmanager
async def held_ahead(
    world: World, carrier: PaperCarrier, lease_s: float = 8.0
) -> AsyncIterator[tuple[SendLoop, HeldChunk]]:
    """A loop and the chunk that it holds ahead, while the carrier takes nothing of the present one."""
    async with running(loop := await stuck(world, carrier, lease_s)):
        await until(lambda: loop._ahead.held is not None and carrier.waiting > 0, 10)
        assert loop._ahead.held is not None
        yield loop, loop._ahead.held


async def stuck(world: World, carrier: PaperCarrier, lease_s: float = 8.0) -> SendLoop:
    """A loop whose first halves are whole ones, and whose carrier takes nothing before it is widened."""
    carrier.places = 0
    await carrier.open()
    loop = loop_for(world, carrier, lease_s=lease_s)
    loop._pace.went(10, is_whole=True)
    return loop


def went(chunk: HeldChunk, carrier: PaperCarrier) -> int:
    """How many of the chunk's messages the carrier has got."""
    return sum(carrier.copies[str(item.phone)] for item in chunk.lease.items)


def all_once(world: World, carrier: PaperCarrier, count: int) -> None:
    assert world.states() == {S: count}
    assert len(carrier.copies) == count
    assert set(carrier.copies.values()) == {1}
    assert leased(world.db) == 0
    world.check()


def so_far(carrier: PaperCarrier, count: int) -> dict[int, int]:
    """The states where the carrier has taken so many, and everybody else waits."""
    sent = sum(carrier.copies.values())
    return {state: n for state, n in ((S, sent), (Q, count - sent)) if n}


def throttled(sms: OutboundSms, nth: int) -> SubmitResult:
    is_put_off = nth == 1 and int(sms.phone) % 3 == 0
    return Deferred("0x58", 0.05, throttled=True) if is_put_off else taken(sms)


def taken(sms: OutboundSms, nth: int = 1) -> SubmitResult:
    return Accepted((f"r{sms.phone}",))


def away_now_and_then(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is away at every third claim."""
    claim, count = world.ledger.claim, itertools.count()

    def claims(*arguments: Any) -> ChunkLease | None:
        if next(count) % 3 == 1:
            raise DatabaseUnavailable("away for a moment")
        return claim(*arguments)

    monkeypatch.setattr(world.ledger, "claim", claims)


@pytest.mark.longer
@pytest.mark.parametrize(
    ("says", "loops", "delay_s"),
    [(taken, 1, 0.0), (taken, 2, 0.02), (throttled, 2, 0.0), (throttled, 1, 0.01)],
)
async def test_over_many_chunks_everybody_gets_the_text_once(
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    says: Callable[[OutboundSms, int], SubmitResult],
    loops: int,
    delay_s: float,
) -> None:
    world, carrier, asked = ready(db, 410), PaperCarrier(delay_s=delay_s), Counter[str]()

    def answer(sms: OutboundSms) -> SubmitResult:
        asked[sms.phone] += 1
        return says(sms, asked[sms.phone])

    carrier.answer = answer
    away_now_and_then(world, monkeypatch)
    await carrier.open()
    async with AsyncExitStack() as at_work:
        for _ in range(loops):
            await at_work.enter_async_context(running(loop_for(world, carrier)))
        await until(lambda: world.states() == {S: 410} and not leased(db))
    all_once(world, carrier, 410)


@pytest.mark.longer
async def test_a_carrier_that_halts_in_mid_run_gets_nothing_of_the_chunk_held_ahead(db: Database) -> None:
    world, carrier = ready(db, 210), PaperCarrier(delay_s=0.01)
    count = iter(range(70))
    carrier.answer = lambda sms: Accepted((sms.phone,)) if next(count, None) is not None else Halted("1", "x")
    await carrier.open()
    async with running(loop_for(world, carrier)):
        await until(lambda: not carrier.up.is_set() and not leased(db))
        assert world.states() == {S: 70, Q: 140}
        carrier.answer = lambda sms: Accepted((sms.phone,))
        carry_out(db, "resume_link", link_id=world.link.id)
        await until(lambda: world.states() == {S: 210} and not leased(db))
    all_once(world, carrier, 210)


# ---- A stop


def slow_second_claim(world: World, monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[object]:
    """The second claim takes longer; what was claimed, already before that one is over."""
    claim, claims = world.ledger.claim, list[object]()

    def claim_slowly(*arguments: Any) -> ChunkLease | None:
        found = claim(*arguments)
        claims.append(found)
        if len(claims) == 2:
            time.sleep(seconds)
        return found

    monkeypatch.setattr(world.ledger, "claim", claim_slowly)
    return claims


@pytest.mark.longer
async def test_a_stop_releases_the_chunk_held_ahead(db: Database) -> None:
    world, carrier = ready(db, 210), PaperCarrier()
    async with held_ahead(world, carrier) as (loop, held):
        loop.stop()
        assert held.permit.withdrawn
        await carrier.widen(1000)
    assert leased(db) == 0
    assert went(held, carrier) == 0
    assert world.states() == so_far(carrier, 210)
    world.check()


@pytest.mark.longer
async def test_a_stop_while_a_chunk_is_claimed_ahead_releases_it(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, carrier = ready(db, 210), PaperCarrier(delay_s=0.02)
    await carrier.open()
    loop, claims = loop_for(world, carrier), slow_second_claim(world, monkeypatch, 0.3)
    async with running(loop):
        await until(lambda: len(claims) == 2)
        assert loop._ahead.held is None
    assert leased(db) == 0
    assert len(claims) == 2
    assert max(carrier.copies) < str(FIRST_PHONE + 50)
    assert world.states() == so_far(carrier, 210)
    world.check()


# ---- Orders and ends


def withdraw_approval(world: World) -> None:
    world.db.write(lambda c: c.execute(update(campaigns).values(state=CampaignState.DRAFT.value)))


def halt(world: World) -> None:
    world.db.write(link_store.halt, world.link.id, Halted("1", "by a person"))


@pytest.mark.longer
@pytest.mark.parametrize("looked", [True, False])
@pytest.mark.parametrize("told", [RunState.PAUSED, RunState.CANCELLED, withdraw_approval, halt])
async def test_after_an_order_nothing_of_the_chunk_held_ahead_goes(
    db: Database, told: RunState | Callable[[World], None], looked: bool
) -> None:
    world, carrier = ready(db, 210), PaperCarrier()
    async with held_ahead(world, carrier) as (_, held):
        order(db, told) if isinstance(told, RunState) else told(world)
        if looked:
            await until(lambda: held.permit.withdrawn, 10)
        await carrier.widen(1000)
        await until(lambda: leased(db) == 0)
        await asyncio.sleep(0.1)
        assert went(held, carrier) == 0
        assert world.states() == so_far(carrier, 210)
    world.check()


@pytest.mark.longer
async def test_who_opts_out_while_a_chunk_is_held_ahead_gets_nothing(db: Database) -> None:
    world, carrier = ready(db, 210), PaperCarrier()
    async with held_ahead(world, carrier) as (_, held):
        phone = held.lease.items[7].phone
        row = {"carrier": "viettel", "phone": phone, "added_at": clock.now_ms(), "added_by": "test"}
        db.write(lambda c: c.execute(insert(do_not_send).values(row)))
        await until(lambda: phone in held.opted_out, 10)
        await carrier.widen(1000)
        await until(lambda: world.states().get(S) == 209 and not leased(db))
        assert str(phone) not in carrier.copies
    assert set(carrier.copies.values()) == {1}
    world.check()


def national(phone: int) -> str:
    return f"0{phone % 1_000_000_000:09}"


@pytest.mark.longer
async def test_a_long_do_not_send_request_withdraws_every_message_of_the_chunk_held_ahead(
    db: Database,
) -> None:
    """Its numbers come first in the request, before 9,000 others."""
    world, carrier = ready(db, 210), PaperCarrier()
    async with held_ahead(world, carrier) as (_, held):
        phones = {item.phone for item in held.lease.items}
        others = [84_913_000_000 + n for n in range(9000)]
        db.write(do_not_send_list.add, "viettel", map(national, [*phones, *others]), "an")
        await until(lambda: phones <= held.opted_out, 10)
        await carrier.widen(1000)
        await until(lambda: not leased(db))
        assert went(held, carrier) == 0
    assert set(carrier.copies.values()) <= {1}
    world.check()


def test_who_is_on_the_list_is_found_whatever_clock_the_entry_was_stamped_by(db: Database) -> None:
    world = build(db, 3)
    row = {"carrier": "viettel", "phone": FIRST_PHONE + 1, "added_at": clock.now_ms() - 7_200_000}
    db.write(lambda c: c.execute(insert(do_not_send).values(row | {"added_by": "test"})))
    asked = [FIRST_PHONE + n for n in range(2500)]
    assert db.read(still_going, world.link, [world.run], asked)[1] == {FIRST_PHONE + 1}
    assert db.read(still_going, world.link, [world.run], []) == ({world.run}, set())


def test_an_entry_bears_the_servers_time_where_the_adding_host_is_an_hour_apart(
    apart: tuple[Database, int],
) -> None:
    db, hours = apart
    schema.upgrade(db)
    world = build(db, 3)
    db.write(do_not_send_list.add, "viettel", [national(FIRST_PHONE)], "an")
    db.write(do_not_send_list.add_everywhere, FIRST_PHONE + 1, "an")
    (first, *others) = db.read(lambda c: c.execute(select(do_not_send.c.added_at)).scalars().all())
    for at in (first, *others):
        assert abs(at - clock.now_ms() - hours * 3_600_000) < 60_000
    phones = [FIRST_PHONE, FIRST_PHONE + 1, FIRST_PHONE + 2]
    assert db.read(still_going, world.link, [world.run], phones)[1] == set(phones[:2])


@pytest.mark.longer
@on_sqlite
async def test_once_the_hours_are_over_nothing_of_the_chunk_held_ahead_goes(db: Database) -> None:
    world, carrier = ready(db, 210), PaperCarrier()
    closes = clock.now_ms() + 1500
    world.rewrite(window_end=closes)
    async with held_ahead(world, carrier) as (_, held):
        assert clock.now_ms() < closes
        await until(lambda: clock.now_ms() > closes)
        await carrier.widen(1000)
        await until(lambda: leased(db) == 0)
        assert went(held, carrier) == 0
    world.check()


@pytest.mark.longer
async def test_the_lease_of_the_chunk_held_ahead_is_renewed(db: Database) -> None:
    world, carrier = ready(db, 210), PaperCarrier()
    async with held_ahead(world, carrier, lease_s=1.5) as (_, held):
        until_when = select(chunks.c.lease_until).where(chunks.c.first_seq == held.lease.first_seq)
        first = db.read(lambda c: c.execute(until_when).scalar_one())
        await until(lambda: clock.now_ms() > first)
        assert held.permit.stands
        await carrier.widen(1000)
        await until(lambda: world.states() == {S: 210} and not leased(db))
    all_once(world, carrier, 210)


@pytest.mark.longer
async def test_a_chunk_held_ahead_that_another_has_taken_over_is_not_sent(db: Database) -> None:
    world, carrier = ready(db, 210), PaperCarrier()
    async with held_ahead(world, carrier, lease_s=600.0) as (_, held):
        its_own = update(chunks).where(chunks.c.first_seq == held.lease.first_seq)
        db.write(lambda c: c.execute(its_own.values(lease_until=1)))
        thief = world.claim("thief")
        assert thief is not None
        assert thief.first_seq == held.lease.first_seq
        await carrier.widen(1000)
        await until(lambda: world.states() == {S: 160, Q: 50})
        assert went(held, carrier) == 0
        db.write(world.ledger.release, thief, 0.0)
        await until(lambda: world.states() == {S: 210} and not leased(db))
    all_once(world, carrier, 210)


# ---- When a chunk is claimed ahead


class Probing(PaperCarrier):
    """A carrier whose link tests with single messages whether it is answered again."""

    def health(self) -> LinkHealth:
        return LinkHealth(0.0, probing="no answer")


@pytest.mark.longer
@on_sqlite
@pytest.mark.parametrize(
    ("kind", "rate", "count"), [(PaperCarrier, 200, 53), (PaperCarrier, 200, 23), (Probing, 50_000, 60)]
)
async def test_a_slow_link_or_one_that_probes_holds_one_chunk_at_a_time(
    db: Database, kind: type[PaperCarrier], rate: float, count: int
) -> None:
    world, carrier = ready(db, count, rate), kind(rate)
    loop, seen = loop_for(world, carrier), set[bool]()

    def answer(sms: OutboundSms) -> SubmitResult:
        seen.add(loop._ahead._task is not None)
        return taken(sms)

    carrier.answer = answer
    await carrier.open()
    async with running(loop):
        await until(lambda: world.states() == {S: count} and not leased(db))
    assert seen == {False}


@pytest.mark.longer
@on_sqlite
async def test_what_is_queued_after_a_claim_ahead_is_sent_without_a_rest(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.dispatch.claims._LOOK_EVERY_S", 600.0)
    world, carrier = ready(db, 40), PaperCarrier()
    async with running(loop := await stuck(world, carrier)):
        await until(lambda: loop._ahead._task is not None and loop._ahead._task.done())
        assert loop._ahead.held is None
        later = [FIRST_PHONE + 1000 + n for n in range(30)]
        batch = db.write(add_batch, world.campaign, world.run, later)
        World(db, world.ledger, world.campaign, world.run, batch, world.link).fan_out()
        await carrier.widen(1000)
        await until(lambda: world.states() == {S: 70}, 5)
    all_once(world, carrier, 70)


# ---- Faults and a second start


@pytest.fixture
async def nothing_unheard() -> AsyncIterator[None]:
    """The event loop tells of no failed task that nobody asked for its end."""
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: said.append(what))
    yield
    gc.collect()
    assert not said


@pytest.mark.longer
@pytest.mark.usefixtures("nothing_unheard")
@pytest.mark.parametrize("moment", ["held", "under way"])
async def test_a_loop_that_is_ended_by_force_and_starts_again_sends_nothing_twice(
    db: Database, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    world, carrier = ready(db, 210), PaperCarrier()
    claims = slow_second_claim(world, monkeypatch, 0.3 if moment == "under way" else 0.0)
    loop = await stuck(world, carrier, lease_s=1.0)
    task = asyncio.create_task(loop.run())
    await until(lambda: len(claims) == 2 and (moment == "under way" or loop._ahead.held is not None), 10)
    task.cancel()
    await asyncio.wait({task}, timeout=5)
    assert task.cancelled()
    assert loop._ahead._task is None
    carrier.places = carrier.waiting = 0
    async with running(loop):
        await carrier.widen(1000)
        await until(lambda: Q not in world.states() and not leased(db), 20)
    states = world.states()
    assert states[S] + states[U] == 210
    assert states[U] in (10, 20)  # the halves that had been reserved
    assert set(carrier.copies.values()) == {1}
    world.check()


def fail_second_claim(loop: SendLoop, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The second claim fails by a fault of no run; how many were asked for."""
    plain, asked = loop._claims.next, list[int]()

    async def next_claim(_: object) -> ClaimedChunk | LinkState:
        asked.append(1)
        if len(asked) == 2:
            raise ZeroDivisionError
        return await plain()

    monkeypatch.setattr(Claims, "next", next_claim)
    return asked


@pytest.mark.longer
@on_sqlite
@pytest.mark.usefixtures("nothing_unheard")
@pytest.mark.parametrize("stopped", [True, False])
async def test_a_fault_of_a_claim_ahead_ends_the_loop_and_at_a_stop_the_results_are_recorded_before(
    db: Database, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    world, carrier = ready(db, 210), PaperCarrier()
    loop = await stuck(world, carrier)
    asked = fail_second_claim(loop, monkeypatch)
    task = asyncio.create_task(loop.run())
    await until(lambda: len(asked) == 2 and carrier.waiting == 20, 10)
    if stopped:
        loop.stop()
    await carrier.widen(1000)
    await asyncio.wait({task}, timeout=10)
    assert isinstance(task.exception(), ZeroDivisionError)
    assert len(asked) == 2
    if stopped:
        assert loop.unrecorded == 0
        assert not leased(db)
    world.check()

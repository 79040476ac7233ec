"""What was never written to the wire comes back at once: at a stop, a pause, a halt, a lease's end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import Connection, func, select, text, update

from app.core import clock
from app.core.states import ChunkState, DeliveryState, RunState
from app.database.connection import Database
from app.database.models import chunks, runs
from app.database.models import links as links_table
from app.dispatch import link_store
from app.dispatch.claims import SendContext
from app.dispatch.send_loop import SendLoop
from app.observability.metrics import Metrics
from carriers.contract import Halted, LinkOptions
from carriers.simulators.smsc import Smsc, SmscBehaviour
from carriers.smpp.carrier import SmppCarrier
from tests.app.dispatch.paper import until
from tests.app.world import World, build
from tests.engines import other_by_hand

Q, S, U = int(DeliveryState.QUEUED), int(DeliveryState.SUBMITTED), int(DeliveryState.UNKNOWN)
WINDOW = 5


@asynccontextmanager
async def sending(db: Database, smsc: Smsc, lease_s: float = 8.0) -> AsyncIterator[tuple[World, SendLoop]]:
    """A link over SMPP whose centre has just answered some messages, so that the whole window is open."""
    world = build(db, 300, chunk=300)
    world.fan_out()
    db.write(lambda c: c.execute(update(links_table).values(segments_per_second=100_000.0)))
    options: dict[str, object] = {"host": "127.0.0.1", "port": smsc.port, "system_id": "loa", "password": "x"}
    options |= {"window": WINDOW, "response_timeout_s": 2.0, "reconnect_min_s": 1.0}
    carrier = SmppCarrier(LinkOptions("viettel-1", "viettel", 100_000.0, options))
    loop = SendLoop(world.link, carrier, SendContext(db, world.ledger, Metrics(), 100, lease_s))
    await carrier.open()
    task = asyncio.create_task(loop.run())
    try:
        yield world, loop
    finally:
        loop.stop()
        await asyncio.wait_for(task, 30)
        await carrier.close()


async def until_stuck(smsc: Smsc) -> int:
    """Some are answered, then no answer comes: how many were written, once a full window waits."""
    await until(lambda: smsc.taken() >= 2 * WINDOW)
    smsc.change(unanswered=1.0, answer_delay_s=0.0)
    before = -1
    while smsc.taken() != before:
        before = smsc.taken()
        await asyncio.sleep(0.3)
    return before


def stop(db: Database, loop: SendLoop) -> None:
    loop.stop()


def pause(db: Database, loop: SendLoop) -> None:
    db.write(lambda c: c.execute(update(runs).values(state=RunState.PAUSED.value)))


def halt(db: Database, loop: SendLoop) -> None:
    db.write(link_store.halt, loop.link.id, Halted("1", "by another host"))


def leased(db: Database) -> int:
    query = select(func.count()).where(chunks.c.state == ChunkState.LEASED)
    return int(db.read(lambda c: c.execute(query).scalar_one()))


@other_by_hand
@pytest.mark.longer
@pytest.mark.parametrize("order", [stop, pause, halt])
async def test_what_waits_in_the_link_s_queue_is_never_sent_after_the_order(
    db: Database, order: Callable[[Database, SendLoop], None]
) -> None:
    async with Smsc(SmscBehaviour(answer_delay_s=0.01)) as smsc, sending(db, smsc) as (world, loop):
        written = await until_stuck(smsc)
        order(db, loop)
        if order is not stop:
            await asyncio.sleep(1.5)  # the link looks once a second
        smsc.change(unanswered=0.0)  # from now on the centre would take all of it
        await until(lambda: leased(db) == 0)
        assert smsc.taken() == written
        states = world.states()
        assert states[Q] == 300 - written
        assert 0 < states[U] <= WINDOW
    world.check()


@other_by_hand
@pytest.mark.longer
async def test_after_the_lease_s_end_nothing_goes_out_of_the_link_s_queue(db: Database) -> None:
    """Cut off from the database with a slow carrier: another host may have the chunk by now."""
    release = threading.Event()

    def hold(connection: Connection) -> None:
        if not db.sqlite:
            connection.execute(text("LOCK TABLE chunks IN ACCESS EXCLUSIVE MODE"))
        release.wait(30)

    async with Smsc(SmscBehaviour(answer_delay_s=0.01)) as smsc, sending(db, smsc, lease_s=1.5) as (world, _):
        await until(lambda: smsc.taken() >= 2 * WINDOW)
        smsc.change(answer_delay_s=0.4)
        await asyncio.sleep(0.1)
        holder = asyncio.create_task(asyncio.to_thread(db.write, hold))
        cut_off = clock.monotonic()
        try:
            await until(lambda: clock.monotonic() > cut_off + 2.5)
            at_the_end = smsc.taken()
            await asyncio.sleep(1.2)
            assert smsc.taken() == at_the_end < 300
        finally:
            release.set()
            await holder
        smsc.change(answer_delay_s=0.0)
        await until(lambda: Q not in world.states())
    world.check()

"""Citizens who write STOP: the message centre sees nothing for them, and kill -9 loses none of them."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from app.core.states import DeliveryState, NotSent
from app.database.connection import Database
from app.database.models import deliveries, do_not_send, inbound_messages
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.world import FIRST_PHONE, build
from tests.engines import each_engine, other_by_hand
from tests.faults.processes import Home, smpp_link
from tests.faults.view import View, queue
from tests.faults.working import until, working

pytestmark = pytest.mark.prove

database_url = each_engine
COUNT = int(os.environ.get("LOA_TEST_INBOUND", "1500"))  # 100,000 in `make prove`
KILLS = max(3, COUNT // 10_000)
RATE = 40


@pytest.fixture
async def smsc() -> AsyncIterator[Smsc]:
    async with Smsc(SmscBehaviour(receipt_delay_s=0.3)) as found:
        yield found


@other_by_hand
async def test_whoever_opts_out_while_a_link_holds_the_message_gets_none(db: Database, smsc: Smsc) -> None:
    world = build(db, 400, chunk=400)
    world.fan_out()
    late = {FIRST_PHONE + n for n in range(300, 400, 7)}
    async with working(world, smsc, segments_per_second=RATE):
        await until(lambda: smsc.taken() >= 20, "it sends")
        for phone in late:
            smsc.write(str(phone), "8088", "Từ chối")
        await until(lambda: smsc.taken() >= 400 - len(late), "the others are sent", within_s=60)
        d = deliveries.c
        left = select(d.phone).where(d.state == DeliveryState.NOT_SENT, d.reason == NotSent.DO_NOT_SEND)
        await until(
            lambda: set(db.read(lambda c: c.execute(left).scalars().all())) == late, "they are closed"
        )
    assert not late & set(smsc.numbers())
    assert len(set(smsc.numbers())) == 400 - len(late)
    world.check()


async def acknowledged_by(smsc: Smsc, n: float) -> None:
    await until(lambda: smsc.report()["inbound_acknowledged"] >= n, f"{n:.0f} are acknowledged", within_s=600)


@other_by_hand
@pytest.mark.timeout(60 + COUNT // 50)
async def test_kills_lose_no_opt_out_that_was_acknowledged(home: Home) -> None:
    home.measured = False  # who is killed could not say what it covered
    queue(home.url, 1)
    chance, view, n, phones = random.Random(5), View(home.url), do_not_send.c, do_not_send.c.phone
    async with Smsc(SmscBehaviour(receipt_window=300)) as smsc:
        home.configure({"viettel-1": smpp_link("viettel", smsc.port)}, lease_seconds=1)
        for kill in range(KILLS):
            sender = home.sender()
            await home.until(lambda: smsc.binds() > 0, "the link is up")
            for number in range(kill * COUNT // KILLS, (kill + 1) * COUNT // KILLS):
                smsc.write(str(84_912_000_000 + number), "8088", "TU CHOI")
            share = chance.random() * COUNT / KILLS
            await acknowledged_by(smsc, smsc.report()["inbound_acknowledged"] + share)
            await sender.kill()
            await until(lambda: smsc.binds() == 0, "the simulator has read what was on the wire")
            acknowledged = smsc.report()["inbound_acknowledged"]
            assert len(view.rows(select(phones).where(n.carrier == "viettel"))) >= acknowledged
        last = home.sender()
        await home.until(lambda: smsc.binds() > 0, "the link is up")
        await acknowledged_by(smsc, COUNT)
        assert await last.stop() == 0
    listed = [row[0] for row in view.rows(select(phones))]
    assert sorted(listed) == [84_912_000_000 + number for number in range(COUNT)]
    assert len({row[0] for row in view.rows(select(inbound_messages.c.phone))}) == COUNT

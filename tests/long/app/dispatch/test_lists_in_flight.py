"""A link that hands over lists keeps its requests in flight full, whatever a sub-batch is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from app.database.connection import Database
from app.database.models import links
from tests.app.dispatch.paper import PaperCarrier, loop_for, until
from tests.app.world import build
from tests.long.app.dispatch.test_send_loop import Q, S, ready, running

IN_FLIGHT, LIST = 4, 25


@pytest.mark.prove
@pytest.mark.parametrize("text", ["Canh giac lua dao", 3 * "Canh giac lua dao qua mang. " * 5])
async def test_as_many_lists_are_on_the_wire_as_requests_may_be(db: Database, text: str) -> None:
    world, carrier = build(db, 600, chunk=50), PaperCarrier(delay_s=0.1)
    world.rewrite(texts={"": text})
    world.fan_out()
    db.write(lambda c: c.execute(update(links).values(segments_per_second=1_000_000.0)))
    carrier.limits = replace(carrier.limits, in_flight=IN_FLIGHT, per_submit=LIST)
    await carrier.open()
    async with running(loop_for(world, carrier, sub_batch=20)):
        await until(lambda: world.states() == {S: 600})
    assert IN_FLIGHT * LIST <= carrier.most_on_wire <= (IN_FLIGHT + 2) * LIST
    assert set(carrier.copies.values()) == {1}
    world.check()


async def test_a_slow_contract_reserves_half_a_second_of_its_pace_and_no_more(db: Database) -> None:
    world, carrier = ready(db, 200, rate=100.0), PaperCarrier(delay_s=0.1)
    carrier.limits = replace(carrier.limits, segments_per_second=100.0, in_flight=IN_FLIGHT, per_submit=LIST)
    await carrier.open()
    loop, most = loop_for(world, carrier, sub_batch=20), 0

    def all_sent() -> bool:
        nonlocal most
        most = max(most, loop.unrecorded)
        return not world.states().get(Q)

    async with running(loop):
        await until(all_sent)
    assert most <= 3 * LIST, "two halves whose time has not come, and one whose answer has not"
    world.check()

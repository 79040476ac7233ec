"""A centre that refuses everything burns no run: the link halts, or pauses and asks by single messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select

from app.core.states import DeliveryState, LinkState, RunState
from app.database.connection import Database
from app.database.models import deliveries, links
from app.dispatch import link_store as links_of
from app.observability import link_status
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.world import World, build
from tests.engines import other_by_hand
from tests.faults.working import run_state, until, working

# The engine changes nothing of what a centre's refusals lead to.
pytestmark = other_by_hand
COUNT, MOST, WINDOW = 1000, 20, 100
SUB_BATCH = 200
QUICK = {"probe_max_s": 0.5, "segments_per_second": 2000}


@pytest.fixture
async def smsc() -> AsyncIterator[Smsc]:
    async with Smsc(SmscBehaviour(answer_delay_s=0.01)) as found:
        yield found


def _count(world: World, state: DeliveryState) -> int:
    query = select(func.count()).where(deliveries.c.state == state)
    return world.db.read(lambda c: c.execute(query).scalar_one())


def _link(world: World) -> tuple[str, str | None]:
    row = world.db.read(lambda c: c.execute(select(links.c.state, links.c.code)).one())
    return row.state, row.code


async def _resume(world: World, smsc: Smsc) -> None:
    """As a person does, who sees that the link is halted and the link left."""
    await until(lambda: smsc.binds() == 0, "the link is left")
    world.db.write(lambda c: links_of.resume(c, world.link.id, "op", None))


@pytest.mark.prove
@pytest.mark.parametrize("status", ["0x0A", "0x450"])
async def test_an_smpp_centre_that_refuses_everything_for_our_sake_halts_the_link(
    db: Database, smsc: Smsc, status: str
) -> None:
    """U2: 2,000 rejected in ten seconds, and the link went on."""
    world = build(db, COUNT)
    world.fan_out()
    smsc.change(refusals=f"{status}=1.0")
    async with working(world, smsc, **QUICK):
        await until(lambda: _link(world) == (LinkState.HALTED, status), "the link is halted")
        assert 0 < _count(world, DeliveryState.REJECTED) <= MOST
        assert int(smsc.report()["submits"]) <= MOST + WINDOW + SUB_BATCH
        await _resume(world, smsc)  # nothing is mended
        await until(lambda: _link(world)[0] == LinkState.RUNNING, "it is resumed")
        await until(lambda: _link(world)[0] == LinkState.HALTED, "it halts again")
        rejected = _count(world, DeliveryState.REJECTED)
        assert rejected <= MOST + 3
        smsc.change(refusals="")
        await _resume(world, smsc)
        await until(lambda: run_state(world) == RunState.FINISHED, "the rest is delivered")
    assert world.states() == {DeliveryState.DELIVERED: COUNT - rejected, DeliveryState.REJECTED: rejected}
    assert smsc.report()["copies_max"] == 1
    world.check()


@pytest.mark.prove
async def test_a_centre_in_trouble_is_asked_by_single_messages_and_rejects_none(
    db: Database, smsc: Smsc
) -> None:
    world = build(db, COUNT)
    world.fan_out()
    smsc.change(refusals="0x08=1.0")
    async with working(world, smsc, **QUICK):
        await until(lambda: int(smsc.report()["submits"]) > MOST, "it is refused")
        await asyncio.sleep(1.0)
        before = int(smsc.report()["submits"])
        assert before <= MOST + WINDOW + SUB_BATCH
        await asyncio.sleep(4.0)
        probes = int(smsc.report()["submits"]) - before
        assert 0 < probes <= 2 * 4.0 / 0.5
        assert (_count(world, DeliveryState.REJECTED), _link(world)[0]) == (0, LinkState.RUNNING)
        smsc.change(refusals="")
        await until(lambda: run_state(world) == RunState.FINISHED, "all is delivered")
    assert world.states() == {DeliveryState.DELIVERED: COUNT}
    assert smsc.report()["copies_max"] == 1
    world.check()


@pytest.mark.prove
async def test_a_link_in_trouble_is_red_as_refusing_with_its_code_and_since_when(
    db: Database, smsc: Smsc
) -> None:
    world = build(db, COUNT)
    world.fan_out()
    smsc.change(refusals="0x08=1.0")
    async with working(world, smsc, **QUICK):

        def standing() -> link_status.LinkStatus:
            return world.db.read(link_status.facts)[world.link.id]

        await until(lambda: standing().state is link_status.LinkHealthState.REFUSING, "it is said")
        found = standing()
        assert found.refusal == "0x08"
        assert link_status.is_away(found)
        assert link_status.since(found) is not None


@pytest.mark.prove
async def test_a_list_with_a_stretch_of_dead_numbers_goes_on(db: Database, smsc: Smsc) -> None:
    world = build(db, COUNT)
    world.fan_out()
    smsc.change(refusals="0x0B=1.0")
    async with working(world, smsc, segments_per_second=200):
        await until(lambda: _count(world, DeliveryState.REJECTED) >= 100, "a hundred are refused")
        assert _link(world)[0] == LinkState.RUNNING
        smsc.change(refusals="")
        await until(lambda: _count(world, DeliveryState.DELIVERED) >= 200, "it goes on")
        assert _link(world)[0] == LinkState.RUNNING

"""Receipts that come early, late, twice, by another bind or for nothing we know; answers that never come."""

from __future__ import annotations

import pytest

from app.core.states import DeliveryState
from app.database.connection import Database
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.world import FIRST_PHONE, build
from tests.engines import by_default
from tests.faults.working import all_delivered, quarantined, until, working

pytestmark = pytest.mark.prove

database_url = by_default

COUNT = 400


@pytest.mark.parametrize(
    ("behaviour", "link"),
    [
        pytest.param(SmscBehaviour(early=1.0), {}, id="T01 before the answer"),
        pytest.param(SmscBehaviour(twice=1.0, out_of_order=True), {}, id="T17 twice and out of order"),
        pytest.param(
            SmscBehaviour(receipts_on="other"),
            {"bind": "transmitter_receiver", "binds": 2},
            id="T03 by another bind",
        ),
        pytest.param(
            SmscBehaviour(id_form="hex", receipt_id_form="dec"),
            {"id_mode": "hex_dec"},
            id="T02 hex, then decimal",
        ),
    ],
)
async def test_each_receipt_finds_its_message(
    db: Database, behaviour: SmscBehaviour, link: dict[str, object]
) -> None:
    world = build(db, COUNT)
    async with Smsc(behaviour) as smsc, working(world, smsc, **link):
        await all_delivered(world, smsc, COUNT)
        await until(lambda: quarantined(world) == 0, "nothing waits for a match")
        await until(lambda: smsc.report()["receipts_outstanding"] == 0, "all receipts are acknowledged")


async def test_receipts_of_a_link_that_is_gone_come_by_another_of_its_group(db: Database) -> None:
    """T03, T53: sent by one process and link, reported to the next process by another link."""
    world = build(db, COUNT)
    async with Smsc(SmscBehaviour(receipt_delay_s=2.0)) as smsc:
        async with working(world, smsc, "viettel-1", receipt_group="viettel"):
            await until(lambda: smsc.report()["distinct_numbers"] == COUNT, "all are sent")
        assert DeliveryState.SUBMITTED in world.states()
        async with working(world, smsc, "viettel-2", receipt_group="viettel"):
            await all_delivered(world, smsc, COUNT)


async def test_messages_that_are_never_answered_are_settled_by_their_receipts(db: Database) -> None:
    """T09: no second submit for want of an answer."""
    world = build(db, COUNT)
    behaviour = SmscBehaviour(unanswered=0.05, receipt_delay_s=0.2)
    async with Smsc(behaviour) as smsc, working(world, smsc, response_timeout_s=1.0):
        await until(lambda: DeliveryState.UNKNOWN in world.states(), "some are unknown")
        await all_delivered(world, smsc, COUNT)
        assert smsc.report()["submits"] == COUNT


async def test_answers_later_than_the_patience_double_nothing(db: Database) -> None:
    """T16: a full window and answers of 0 to 2 s, where we wait for one."""
    world = build(db, 300)
    behaviour = SmscBehaviour(answer_spread_s=2.0, receipt_delay_s=0.1)
    async with Smsc(behaviour) as smsc, working(world, smsc, response_timeout_s=1.0, window=100):
        await all_delivered(world, smsc, 300)
        assert smsc.report()["submits"] == 300


async def test_what_is_neither_answered_nor_reported_stays_unknown_and_is_not_sent_again(
    db: Database,
) -> None:
    """T09, T62: neither delivered nor failed is claimed of it."""
    silent = [84_912_019_915, 84_912_029_915, 84_912_039_915]
    world = build(db, 0, phones=[*range(FIRST_PHONE, FIRST_PHONE + 97), *silent])
    async with Smsc(SmscBehaviour(by_number=True)) as smsc:
        async with working(world, smsc, response_timeout_s=0.5):
            expected = {DeliveryState.DELIVERED: 97, DeliveryState.UNKNOWN: 3}
            await until(lambda: world.states() == expected, "all but three are settled")
        async with working(world, smsc, response_timeout_s=0.5):
            await until(lambda: smsc.binds() == 1, "the link is up again")
        assert smsc.report()["submits"] == 100
    world.check()


async def test_receipts_for_nothing_we_know_are_kept_and_harm_nothing(db: Database) -> None:
    """T13, T56: they wait in the database, not in memory, and are acknowledged."""
    world = build(db, COUNT)
    async with Smsc(SmscBehaviour(foreign=1.0)) as smsc, working(world, smsc):
        await all_delivered(world, smsc, COUNT)
        await until(lambda: smsc.report()["receipts_outstanding"] == 0, "all receipts are acknowledged")
        assert quarantined(world) == COUNT


async def test_a_throttled_message_is_one_message_with_one_receipt(db: Database) -> None:
    """T04: refused twice, taken at the third try."""
    phones = [84_912_009_901, 84_912_019_901, 84_912_019_910, *range(FIRST_PHONE, FIRST_PHONE + 50)]
    world = build(db, 0, phones=phones)
    async with Smsc(SmscBehaviour(by_number=True)) as smsc, working(world, smsc):
        await all_delivered(world, smsc, 53)
        assert smsc.report()["throttled"] == 5
        assert world.delivery(2)["state"] == DeliveryState.DELIVERED

"""kill -9 in mid-run, again and again: the carrier counts copies, and every subscriber is accounted for."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from app.core.states import DeliveryState
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.faults.ending import sent_again, settled
from tests.faults.processes import Home, smpp_link
from tests.faults.view import View, queue
from tests.faults.working import until

KILLS = int(os.environ.get("LOA_KILLS", "4"))  # ten of them in `make prove`
SUB_BATCH = 200


def _count(home: Home) -> int:
    return int(os.environ.get("LOA_KILL_COUNT", "3000"))


@pytest.mark.prove  # kills at any moment are in the simulated days and in the drills of CI
async def test_kills_double_nothing_and_leave_at_most_a_sub_batch_unknown_each(home: Home) -> None:
    """T08, T31, T34: and what nobody can know is sent again only because a person says so."""
    count, home.measured = _count(home), False  # who is killed could not say what it covered
    queue(home.url, count)
    chance = random.Random(8)
    async with Smsc(SmscBehaviour(answer_delay_s=0.02, receipt_delay_s=1.0, receipt_window=2000)) as smsc:
        home.configure({"viettel-1": smpp_link("viettel", smsc.port)}, lease_seconds=1)
        doubtful: set[int] = set()
        for kill in range(1, KILLS + 1):
            doubtful |= await _send_and_kill(home, smsc, count * kill // (KILLS + 1), chance, doubtful)
        home.sender()
        assert await settled(home, smsc, count) <= doubtful
        await sent_again(home, smsc, count)


async def _send_and_kill(
    home: Home, smsc: Smsc, target: int, chance: random.Random, before: set[int]
) -> set[int]:
    """Send until the carrier has seen `target` numbers, kill; the numbers whose fate nobody knows."""
    view, sender = View(home.url), home.sender()
    await home.until(lambda: smsc.taken() >= target, f"{target} are sent")
    await asyncio.sleep(chance.uniform(0, 0.1))
    await sender.kill()
    await until(lambda: smsc.binds() == 0, "the simulator has read what was on the wire")
    await until(lambda: view.others() == 0, "the server has ended what the dead one had begun")
    declared = view.declared()
    assert len(declared - before) <= SUB_BATCH
    assert set(smsc.numbers()) <= declared | _recorded(view)
    return declared


def _recorded(view: View) -> set[int]:
    return view.phones(*set(DeliveryState) - {DeliveryState.QUEUED})

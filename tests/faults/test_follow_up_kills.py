"""Two rounds under kill -9: nobody who was reached, or may have been, is written to again."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select, update

from app.campaigns import approval, lifecycle
from app.core.states import DeliveryState as State
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import deliveries, runs
from app.ledger.unreached import Outcome
from app.security import Caller
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.campaigns.past import follow, start
from tests.faults.ending import verified
from tests.faults.processes import Home, smpp_link
from tests.faults.view import View, queue

COUNT = int(os.environ.get("LOA_TEST_FOLLOWED", "3000"))
KILLS = 3
MISSED = (Outcome.UNDELIVERED, Outcome.EXPIRED)
_OPEN = (State.QUEUED, State.SUBMITTED)


def phones(view: View, campaign: int, *states: State) -> set[int]:
    d = deliveries.c
    query = select(d.phone).where(d.campaign_id == campaign)
    return {row[0] for row in view.rows(query.where(d.state.in_(states)) if states else query)}


async def send(home: Home, campaign: int, count: int, **more: Any) -> Smsc:
    """Send the campaign's run while senders are killed; return its centre once all is settled."""
    view, chance = View(home.url), random.Random(campaign)
    slow: dict[str, Any] = {"answer_delay_s": 0.02, "receipt_delay_s": 0.3, "receipt_window": 2000}
    behaviour = SmscBehaviour(**slow | more)
    async with Smsc(behaviour) as smsc:
        home.configure({"viettel-1": smpp_link("viettel", smsc.port)}, lease_seconds=1)
        sender = home.sender()
        for nth in range(1, KILLS + 1):
            await home.until(lambda most=count * nth // (KILLS + 2): smsc.taken() >= most, "it sends")
            await asyncio.sleep(chance.uniform(0, 0.05))
            await sender.kill()
            sender = home.sender()
        state = select(runs.c.state).where(runs.c.campaign_id == campaign)
        ended = (RunState.SENT, RunState.FINISHED)
        await home.until(lambda: view.rows(state)[0][0] in ended, "all is sent")
        await home.until(lambda: not phones(view, campaign, *_OPEN), "all is reported")
        assert await sender.stop() == 0, sender.words()
        assert smsc.report()["copies_max"] == 1
    return smsc


def followed(url: str) -> int:
    """A follow-up of the first campaign, approved and queued, while nothing of Loa runs."""
    db = Database(url)
    try:
        # A receipt for what is unknown may come for five days; then the run is over.
        db.write(lambda c: c.execute(update(runs).values(state=RunState.FINISHED)))
        second = follow(db, 1, outcomes=MISSED, changes={"purpose": "canh_bao_khan"})
        db.write(lifecycle.submit, second, "lan")
        chief = Caller("boss", "approver")
        db.write(approval.approve, second, chief, reason="it is a test at any hour", acknowledged=True)
        start(db, second)
        return second
    finally:
        db.close()


@pytest.mark.prove  # follow-ups without kills are in CI
async def test_a_follow_up_under_kills_writes_to_nobody_who_has_the_text(home: Home) -> None:
    home.measured = False  # who is killed could not say what it covered
    queue(home.url, COUNT, chunk=100)
    view = View(home.url)
    await send(home, 1, COUNT, outcomes="UNDELIV/001=0.3,EXPIRED/027=0.1", twice=0.1)
    missed = phones(view, 1, State.UNDELIVERED, State.EXPIRED)
    assert len(missed) > COUNT // 4
    second = await asyncio.to_thread(followed, home.url)
    assert phones(view, second) == missed
    smsc = await send(home, second, len(missed), twice=0.1)
    assert set(smsc.numbers()) <= missed
    reached = Counter(
        row[0] for row in view.rows(select(deliveries.c.phone).where(deliveries.c.state == State.DELIVERED))
    )
    assert set(reached.values()) == {1}
    assert len(reached) == len(phones(view, 1, State.DELIVERED)) + len(phones(view, second, State.DELIVERED))
    verified(home)

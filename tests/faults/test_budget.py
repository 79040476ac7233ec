"""A budget under kill -9: nothing goes beyond it, and what a dead process had reserved is counted once."""

from __future__ import annotations

import asyncio
import os
import random

import pytest
from sqlalchemy import insert, select, update

from app.core.states import DeliveryState, RunState, SuspendCause
from app.database.connection import Database
from app.database.models import budgets, runs
from app.ledger.money import BILLED
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.world import build
from tests.faults.ending import verified
from tests.faults.processes import Home, smpp_link
from tests.faults.view import View

CEILING = int(os.environ.get("LOA_TEST_CEILING", "1000"))  # 10,000 in `make prove`
KILLS = 3


def queued(url: str) -> None:
    """A run of half as many again as the budget has."""
    db = Database(url)
    try:
        world = build(db, CEILING * 3 // 2, chunk=100)
        world.fan_out()
        db.write(lambda c: c.execute(insert(budgets).values(campaign_id=world.campaign)))
        world.rewrite(budget_segments=CEILING)
        db.write(lambda c: c.execute(update(runs).values(started_at=1)))
    finally:
        db.close()


def run(view: View) -> tuple[str, dict[str, object] | None]:
    state, why = view.rows(select(runs.c.state, runs.c.suspended))[0]
    return str(state), why


@pytest.mark.prove  # simulated days with a budget and kills are in CI
async def test_four_senders_that_are_killed_send_no_segment_beyond_the_budget(home: Home) -> None:
    home.measured = False  # who is killed could not say what it covered
    queued(home.url)
    view, chance = View(home.url), random.Random(3)
    slow = {"answer_delay_s": 0.02, "receipt_delay_s": 0.3, "outcomes": "UNDELIV/001=0.05"}
    async with Smsc(SmscBehaviour(receipt_window=2000, **slow)) as smsc:
        link = smpp_link("viettel", smsc.port, segments_per_second=400)
        # Four processes with a link each; SQLite has one process, with four links.
        home.configure({f"viettel-{n}": link for n in range(4 if home.sqlite else 1)}, lease_seconds=1)
        senders = [home.sender() for _ in range(1 if home.sqlite else 4)]
        for nth in range(1, KILLS + 1):
            await home.until(lambda most=CEILING * nth // (KILLS + 2): smsc.taken() >= most, "it sends")
            await asyncio.sleep(chance.uniform(0, 0.05))
            await senders.pop(0).kill()
            senders.append(home.sender())
        await home.until(lambda: run(view)[0] == RunState.PAUSED, "the budget is spent")
        why = run(view)[1]
        assert why
        assert why["cause"] == SuspendCause.BUDGET
        await home.until(lambda: view.states().get(DeliveryState.SUBMITTED, 0) == 0, "all is reported")
        spent = view.rows(select(budgets.c.segments))[0][0]
        billed = sum(n for each, n in view.states().items() if each in BILLED)
        perhaps = len(view.declared())  # which a dead one had reserved: unknown once its chunk is claimed
        assert (spent, billed + perhaps) == (CEILING, CEILING)
        perhaps += view.states().get(DeliveryState.UNKNOWN, 0)
        assert CEILING - perhaps <= smsc.report()["messages"] <= CEILING
        assert smsc.report()["copies_max"] == 1
        for program in senders:
            assert await program.stop() == 0, program.words()
    verified(home)

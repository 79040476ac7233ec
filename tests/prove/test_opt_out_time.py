"""From the acknowledgement of an opt-out to the last message of its number that the message centre sees.

Sent at 200 messages a second, with opt-outs of numbers that are due within the next second and a half: the
link holds all of them already. What the last one took goes into build/opt-out-ENGINE.json.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from itertools import islice
from pathlib import Path

import pytest

from app.database.connection import Database
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.world import FIRST_PHONE, build
from tests.engines import each_engine
from tests.faults.working import until, working

database_url = each_engine
BUILD = Path(__file__).parents[2] / "build"
COUNT, RATE, ASKED, LOOK_S = 6000, 200, 60, 0.004
WITHIN_S = 1.0


async def seen(smsc: Smsc, found: dict[int, float]) -> None:
    """Note when each number's message came, as often as the loop has time."""
    read = 0
    while True:
        for phone in islice(smsc.numbers(), read, None):
            found[int(phone)] = time.monotonic()
        read = len(found)
        await asyncio.sleep(LOOK_S)


async def acknowledged(smsc: Smsc, n: int) -> float:
    for _ in range(round(30 / LOOK_S)):
        if int(str(smsc.report()["inbound_acknowledged"])) >= n:
            return time.monotonic()
        await asyncio.sleep(LOOK_S)
    raise AssertionError(f"opt-out {n} is not acknowledged within 30 s")


@pytest.mark.timeout(240)
async def test_nothing_is_submitted_a_second_after_an_opt_out_is_acknowledged(db: Database) -> None:
    world, chance = build(db, COUNT, chunk=1000), random.Random(3)
    world.fan_out()
    found: dict[int, float] = {}
    asked: dict[int, float] = {}
    async with Smsc(SmscBehaviour(receipt_delay_s=0.3)) as smsc:
        looking = asyncio.create_task(seen(smsc, found))
        async with working(world, smsc, segments_per_second=RATE):
            await until(lambda: len(found) >= RATE, "it sends")
            while len(asked) < ASKED:
                phone = FIRST_PHONE + len(found) + chance.randrange(1, int(1.5 * RATE))
                if phone in found or phone in asked:
                    continue
                smsc.write(str(phone), "8088", "TU CHOI")
                asked[phone] = await acknowledged(smsc, len(asked) + 1)
                await asyncio.sleep(chance.uniform(0, 0.3))
            await until(lambda: len(found) >= COUNT - ASKED, "the others are sent", within_s=120)
        looking.cancel()
    late = sorted(found[phone] - at for phone, at in asked.items() if phone in found)
    BUILD.mkdir(exist_ok=True)
    figures = {"engine": db.engine.dialect.name, "asked": ASKED, "sent_all_the_same": len(late)}
    figures |= {"last_after_s": round(late[-1], 3) if late else None}
    (BUILD / f"opt-out-{figures['engine']}.json").write_text(json.dumps(figures) + "\n", encoding="utf-8")
    assert len(late) < ASKED
    assert not late or late[-1] <= WITHIN_S, figures
    world.check()

"""Messages to us and kill -9: every one that was acknowledged is a row, and in the end all of them are."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
from sqlalchemy import select

from app.database.models import inbound_messages
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.engines import other_by_hand
from tests.faults.processes import Home, smpp_link
from tests.faults.view import View, queue
from tests.faults.working import until

COUNT, KILLS = 1200, 4


def kept(view: View) -> list[tuple[int, str, int | None]]:
    """(id, text, id of the first of the same words) of each row."""
    c = inbound_messages.c
    return [(row[0], row[1], row[2]) for row in view.rows(select(c.id, c.text, c.repeat_of).order_by(c.id))]


@pytest.mark.prove
@other_by_hand
async def test_kills_in_the_middle_lose_no_message_to_us_and_say_which_came_twice(home: Home) -> None:
    home.measured = False  # who is killed could not say what it covered
    queue(home.url, 1)
    chance, view = random.Random(14), View(home.url)
    async with Smsc(SmscBehaviour(receipt_window=300)) as smsc:
        home.configure({"viettel-1": smpp_link("viettel", smsc.port)}, lease_seconds=1)
        for kill in range(KILLS):
            sender = home.sender()
            await home.until(lambda: smsc.binds() > 0, "the link is up")
            for n in range(kill * COUNT // KILLS, (kill + 1) * COUNT // KILLS):
                smsc.write(str(84_912_000_000 + n), "8088", f"tin {n}")
            await asyncio.sleep(chance.uniform(0, 0.15))
            await sender.kill()
            await until(lambda: smsc.binds() == 0, "the simulator has read what was on the wire")
            acknowledged = smsc.report()["inbound_acknowledged"]
            assert len({text for _, text, _ in kept(view)}) >= acknowledged
        last = home.sender()
        # Where all were acknowledged before the kill, nobody is told to stop who has not quite begun.
        await home.until(lambda: smsc.binds() > 0, "the link is up")
        await home.until(lambda: smsc.report()["inbound_acknowledged"] == COUNT, "all are acknowledged")
        assert await last.stop() == 0
    rows = kept(view)
    assert {text for _, text, _ in rows} == {f"tin {n}" for n in range(COUNT)}
    first = {number: text for number, text, again in rows if again is None}
    assert Counter(first.values()).most_common(1)[0][1] == 1
    assert all(first[again] == text for _, text, again in rows if again is not None)

"""Twenty times the primary is killed in mid-campaign and its synchronous standby promoted.

Nobody gets it twice and nobody is forgotten: after each failover links wait for a person, who says
`loa database restored --nothing-lost`; what is unknown in the end is what the carrier never got.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from app.core.config import Settings
from app.core.states import LinkState
from app.database import schema
from app.database.connection import Database
from app.database.models import links
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.faults.ending import followed_up, settled
from tests.faults.processes import Home, smpp_link
from tests.faults.server import Server, own_server
from tests.faults.view import View, queue

KILLS = 20
COUNT = 12_000
BEHAVIOUR = SmscBehaviour(answer_delay_s=0.02, receipt_delay_s=0.5, receipt_window=500)


@pytest.fixture
def pair() -> Iterator[tuple[Server, Server]]:
    """A primary with an empty ledger, and the standby without which it confirms no commit."""
    with own_server() as primary:
        db = Database(primary.url)
        schema.upgrade(db)
        db.close()
        standby = primary.standby("pair")
        try:
            primary.set("synchronous_standby_names", "pair")
            yield primary, standby
        finally:
            for each in (primary, standby):
                each.stop() if not each.down() else None


async def test_twenty_failovers_in_mid_campaign_double_and_lose_nothing(
    pair: tuple[Server, Server], tmp_path: Path
) -> None:
    primary, standby = pair
    both = f"host={primary.host},{standby.host}&port={primary.port},{standby.port}"
    home = Home(tmp_path, f"postgresql+psycopg://loa@/postgres?{both}&target_session_attrs=read-write")
    view, moments = View(home.url), random.Random(20)
    queue(home.url, COUNT)
    try:
        async with Smsc(BEHAVIOUR) as smsc:
            link = smpp_link("viettel", smsc.port, segments_per_second=300)
            home.configure({"viettel-1": link}, lease_seconds=2)
            worker = home.start("worker")
            for nth in range(KILLS):
                so_far = smsc.taken()
                await home.until(
                    lambda so_far=so_far: smsc.taken() > so_far, f"it sends before failover {nth}"
                )
                await asyncio.sleep(moments.uniform(0, 1))
                assert smsc.taken() < COUNT, "the kill is in mid-campaign"
                primary, standby = await asyncio.to_thread(_fail_over, primary, standby)
                await home.until(lambda: _halted(view), "the link waits for a person")
                stood = smsc.report()["submits"]
                await asyncio.sleep(0.5)
                assert smsc.report()["submits"] == stood, "nothing is sent before the person's word"
                await home.command("database", "restored", "--nothing-lost")
                home.programs.remove(worker)
                home.programs.append(worker)
            never = await settled(home, smsc, COUNT)
            assert len(never) <= KILLS * Settings().sub_batch
            print(f"{KILLS} failovers: {len(never)} of {COUNT} unknown, 0 copies")
            await followed_up(home, smsc, COUNT)
    finally:
        home.end()


def _fail_over(primary: Server, standby: Server) -> tuple[Server, Server]:
    """Kill the primary; the standby takes its place, and the dead one follows it, made anew."""
    primary.stop()
    standby.promote()
    return standby, standby.standby("pair", primary)


def _halted(view: View) -> bool:
    return view.rows(select(links.c.code).where(links.c.state == LinkState.HALTED.value)) == [("restored",)]

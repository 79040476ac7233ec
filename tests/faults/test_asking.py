"""Two workers on one database, of which one asks: it is killed, and the other asks in its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from app.core.states import DeliveryState
from app.database.models import jobs, status_queries
from carriers.simulators.vnpt import Vnpt, VnptBehaviour
from tests.faults.ending import stopped, verified
from tests.faults.processes import Home
from tests.faults.view import View, queue

COUNT = 100
LEASE_S = 2


def vnpt_link(vnpt: Vnpt) -> dict[str, object]:
    own: dict[str, object] = {"carrier": "viettel", "kind": "vnpt", "base_url": vnpt.url, "password": "p"}
    own |= {"user": "u", "portal_user": "SONLA_CA", "agent_id": "999", "contract_id": "70001"}
    own |= {"label_id": "900101", "label": "CA SONLA", "traffic": "cskh", "templates.800123": "{D,160}"}
    own |= {"segments_per_second": 2000, "answer_timeout_s": 0.5, "poll": "all", "poll_after_s": 0.5}
    return own | {"queries_per_second": 40}


@pytest.mark.prove
@pytest.mark.parametrize(
    "killed", [True, pytest.param(False, marks=pytest.mark.prove)], ids=["killed", "stopped"]
)
async def test_the_other_worker_asks_on_and_nothing_is_sent_twice(
    new_postgresql_url: str, tmp_path: Path, killed: bool
) -> None:
    home, view = Home(tmp_path, new_postgresql_url), View(new_postgresql_url)
    queue(home.url, COUNT)
    try:
        async with Vnpt(VnptBehaviour(next_troubles="hang=1")) as vnpt:
            home.configure({"vnpt-1": vnpt_link(vnpt)}, lease_seconds=LEASE_S)
            workers = [home.start("worker"), home.start("worker")]
            await home.until(lambda: view.states().get(DeliveryState.RELAYED, 0) >= 10, "some are settled")
            (owner,) = view.rows(select(jobs.c.owner).where(jobs.c.kind == "asking"))[0]
            asking = next(each for each in workers if f":{each.process.pid}:" in owner)
            home.programs.sort(key=lambda each: each is not asking)  # the other is the one to watch
            if killed:
                await asking.kill()
            else:
                assert await asking.stop() == 0
            await home.until(lambda: view.states() == {DeliveryState.RELAYED: COUNT}, "all are settled")
            await home.until(view.over, "the run is finished")
            assert {vnpt.copies(phone) for phone in vnpt.numbers()} == {1}
            assert view.rows(select(jobs.c.owner).where(jobs.c.kind == "asking"))[0] != (owner,)
        await stopped(home)
        verified(home)
        assert view.rows(select(status_queries)) == []
    finally:
        home.end()

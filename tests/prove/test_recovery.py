"""A backup is put back while a campaign is under way: nobody gets a second copy, and nobody is forgotten.

The ledger has gone back, the carrier has not: what was sent since stands there as queued. Loa sends nothing
of it by itself; a person says `loa database restored`, the carrier's own result file tells what it took, and
only those who have never had it are written to again.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from app.core import clock
from app.core.states import DeliveryState, LinkState, RunState
from app.database import schema
from app.database.connection import Database
from app.database.models import links, runs
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.faults.ending import follow_up_unknown, stopped, verified
from tests.faults.processes import Home, smpp_link
from tests.faults.server import Server, own_server
from tests.faults.view import View, queue

COUNT = 1500
RATE = 200
BEHAVIOUR = SmscBehaviour(answer_delay_s=0.02, receipt_delay_s=0.2, receipt_window=500)


@pytest.fixture
def archived() -> Iterator[Server]:
    """A PostgreSQL server of the test's own that archives its log, with an empty ledger in it."""
    with own_server(archived=True) as server:
        db = Database(server.url)
        schema.upgrade(db)
        db.close()
        yield server


async def test_after_a_recovery_to_a_point_in_time_nobody_gets_it_twice(
    archived: Server, tmp_path: Path
) -> None:
    home, view = Home(tmp_path, archived.url, measured=False), View(archived.url)
    queue(home.url, COUNT, 200)
    try:
        async with Smsc(BEHAVIOUR) as smsc:
            link = smpp_link("viettel", smsc.port, segments_per_second=RATE)
            home.configure({"viettel-1": link}, lease_seconds=2)
            home.start("worker")
            await home.until(lambda: smsc.taken() >= COUNT // 5, "a fifth is sent")
            backup = archived.base_backup()
            await home.until(lambda: smsc.taken() >= COUNT * 2 // 5, "two fifths are sent")
            moment = archived.now()
            await home.until(lambda: smsc.taken() >= COUNT * 3 // 5, "three fifths are sent")
            await stopped(home)
            archived.put_back(backup, moment)
            forgotten = smsc.taken() - (COUNT - queued(view))
            assert forgotten >= COUNT // 10, "it does not know of what was sent last"
            await waits_for_a_person(home, smsc)
            await goes_on(home, smsc)
    finally:
        home.end()


async def test_a_copy_of_the_sqlite_ledger_that_is_put_back_sends_nothing_by_itself(
    sqlite_home: Home,
) -> None:
    home, view = sqlite_home, View(sqlite_home.url)
    home.measured = False
    queue(home.url, COUNT, 200)
    copy, file = home.folder / "copy.sqlite3", home.folder / "loa.sqlite3"
    async with Smsc(BEHAVIOUR) as smsc:
        home.configure({"viettel-1": smpp_link("viettel", smsc.port, segments_per_second=RATE)})
        home.start("up")
        await home.until(lambda: smsc.taken() >= COUNT // 5, "a fifth is sent")
        up = home.programs[-1]
        await home.command("database", "backup", str(copy))
        home.programs.append(up)
        kept = smsc.taken()
        await home.until(lambda: smsc.taken() >= kept + COUNT // 5, "a fifth more is sent")
        await stopped(home)
        assert view.tallied(DeliveryState.QUEUED) < COUNT * 3 // 5
        for old in home.folder.glob("loa.sqlite3*"):
            old.unlink()
        shutil.move(copy, file)
        assert file.stat().st_mode & 0o077 == 0
        forgotten = smsc.taken() - (COUNT - queued(view))
        assert forgotten >= COUNT // 10, "it does not know of what was sent last"
        await waits_for_a_person(home, smsc)
        await goes_on(home, smsc)


def queued(view: View) -> int:
    return view.tallied(DeliveryState.QUEUED)


async def waits_for_a_person(home: Home, smsc: Smsc) -> None:
    """What sends is started, and halts its link in words; resuming the link is refused in the same words."""
    view, before = View(home.url), smsc.report()["submits"]
    sender = home.sender()
    halted = select(links.c.code, links.c.reason).where(links.c.state == LinkState.HALTED.value)
    await home.until(lambda: view.rows(halted), "the link is halted")
    assert await sender.stop() == 0, sender.words()
    ((code, reason),) = view.rows(halted)
    assert code == "restored"
    assert "run `loa database restored --nothing-lost`" in reason
    assert "stop every worker and run `loa database restored`" in reason
    assert reason in await home.command("link", "resume", "1", status=1)
    assert "BAD   home: The database was put back" in await home.command("doctor", "--offline", status=1)
    assert smsc.report()["submits"] == before


async def goes_on(home: Home, smsc: Smsc) -> None:
    """The person's word, the carrier's result file, a round to the rest: one copy for each number."""
    view, left = View(home.url), queued(View(home.url))
    if not home.url.startswith("sqlite"):
        # The state that came back says that a worker is up: it counts for half a minute.
        refused = await home.command("database", "restored", status=1)
        assert "has its links open. Stop every worker" in refused
        await asyncio.sleep(31)
    said = await home.command("database", "restored")
    assert f"Run 1 (viettel): {left:,} deliveries are unknown now." in said
    assert queued(view) == 0
    sender = home.sender()
    state = select(runs.c.state)
    await home.until(lambda: view.rows(state) == [(RunState.SENT.value,)], "nothing is left to send")
    assert await sender.stop() == 0, sender.words()
    assert smsc.report()["copies_max"] == 1
    taken = set(smsc.numbers())
    await home.command("receipts", "import", str(result_file(home, taken)), "--carrier", "viettel")
    never = view.listed()
    assert never == view.phones(DeliveryState.UNKNOWN)
    assert never.isdisjoint(taken)
    assert len(never) == COUNT - len(taken)
    assert "can be started" in await home.command("database", "entered-again")
    await asyncio.to_thread(follow_up_unknown, home.url, len(never))
    home.sender()
    await home.until(view.over, "the run is finished")
    seen = smsc.report()
    assert (seen["distinct_numbers"], seen["copies_max"]) == (COUNT, 1)
    assert view.states() == {DeliveryState.DELIVERED: COUNT, DeliveryState.UNKNOWN: len(never)}
    await stopped(home)
    verified(home)


def result_file(home: Home, taken: set[int]) -> Path:
    """What the carrier hands out: every number that it had, and when."""
    at = clock.local(clock.now()).strftime("%d/%m/%Y %H:%M:%S")
    file = home.folder / "results.csv"
    file.write_text("number,status,time\n" + "".join(f"{phone},DELIVRD,{at}\n" for phone in sorted(taken)))
    return file

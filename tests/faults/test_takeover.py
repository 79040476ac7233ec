"""Two workers on one PostgreSQL database: one dies or is frozen in mid-run, and the other goes on for it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.faults.ending import all_delivered, sent_again, settled
from tests.faults.processes import Home, smpp_link
from tests.faults.view import queue

COUNT = 2000
LEASE_S = 2
BEHAVIOUR = SmscBehaviour(answer_delay_s=0.02, receipt_delay_s=0.5, receipt_window=500)


STOPPED = pytest.param(signal.SIGSTOP, marks=pytest.mark.prove, id="SIGSTOP")


@pytest.mark.parametrize("fault", [pytest.param(signal.SIGKILL, id="SIGKILL"), STOPPED])
async def test_the_other_worker_takes_over_and_doubles_nothing(
    new_postgresql_url: str, tmp_path: Path, fault: signal.Signals
) -> None:
    """T31: a frozen one wakes up after its lease has run out, and must not send what is no longer its own."""
    home = Home(tmp_path, new_postgresql_url)
    queue(home.url, COUNT)
    try:
        async with Smsc(BEHAVIOUR) as smsc:
            link = smpp_link("viettel", smsc.port, segments_per_second=1000)
            home.configure({"viettel-1": link}, lease_seconds=LEASE_S)
            first, _ = home.start("worker"), home.start("worker")
            await home.until(lambda: smsc.binds() == 2, "both are bound")
            await home.until(lambda: smsc.taken() >= COUNT // 4, "a quarter is sent")
            first.process.send_signal(fault)
            if fault is signal.SIGSTOP:
                await asyncio.sleep(2 * LEASE_S)
                first.process.send_signal(signal.SIGCONT)
                # It knows what it has not sent, and says so: nothing stays unknown.
                await all_delivered(home, smsc, COUNT)
            else:
                await settled(home, smsc, COUNT)
                await sent_again(home, smsc, COUNT)
    finally:
        home.end()

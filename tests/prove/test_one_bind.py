"""A centre that allows one bind, and two workers: the first keeps its rate, and the second takes over."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from app.core.states import DeliveryState, LinkState
from app.database.models import links
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.faults.processes import Home, smpp_link
from tests.faults.view import View, queue

COUNT = 4000
RATE = 200
SOME = 800  # four seconds' worth
BEHAVIOUR = SmscBehaviour(max_binds=1, answer_delay_s=0.02, receipt_delay_s=0.5, receipt_window=500)


async def test_the_first_worker_keeps_its_rate_and_the_second_takes_over(
    new_postgresql_url: str, tmp_path: Path
) -> None:
    home, view = Home(tmp_path, new_postgresql_url, measured=False), View(new_postgresql_url)
    queue(home.url, COUNT)
    try:
        async with Smsc(BEHAVIOUR) as smsc:
            link = smpp_link("viettel", smsc.port, segments_per_second=RATE, probe_max_s=1.0)
            home.configure({"viettel-1": link}, lease_seconds=2)
            arrivals = smsc.arrivals()
            first = home.start("worker")
            await home.until(lambda: len(arrivals) >= SOME + 200, "the first sends")
            alone = arrivals[-1] - arrivals[-SOME]
            second = home.start("worker")
            await home.until(lambda: smsc.report()["binds_refused"] >= 3, "the second is refused")
            begun = len(arrivals)
            await home.until(lambda: len(arrivals) >= begun + SOME, "the first goes on sending")
            beside = arrivals[begun + SOME - 1] - arrivals[begun]
            assert beside <= 1.25 * alone, (alone, beside)
            assert view.rows(select(links.c.state)) == [(LinkState.RUNNING.value,)]
            assert first.alive()
            assert second.alive()
            await first.kill()
            await home.until(lambda: view.tallied(DeliveryState.QUEUED) == 0, "the second sends the rest")
            assert view.rows(select(links.c.state)) == [(LinkState.RUNNING.value,)]
            assert smsc.report()["copies_max"] == 1
            unknown = view.tallied(DeliveryState.UNKNOWN)
            assert smsc.report()["distinct_numbers"] >= COUNT - unknown
    finally:
        home.end()

"""A centre that answers binds and enquire_link, and from some moment on no message, for as long as it likes.

LOA_TEST_SILENT_MINUTES says how long it is silent (60: the hour of the bar). In the middle the sender is
stopped and started again; at the end the centre answers again, and all the rest goes out.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from app.core.states import DeliveryState
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.faults.ending import verified
from tests.faults.processes import Home, Program
from tests.faults.view import View, queue

BUILD = Path(__file__).parents[2] / "build"
SILENT_S = 60 * float(os.environ.get("LOA_TEST_SILENT_MINUTES", "3"))
COUNT, WINDOW = 8_000, 100
# The defaults of a link, which are what the bar is about.
ANSWER_S, FIRST_PAUSE_S, LONGEST_PAUSE_S = 15.0, 1.0, 60.0
RED_WITHIN_S, ENDS_WITHIN_S = 30.0, 20.0
REST_S = 2 * (ANSWER_S + LONGEST_PAUSE_S) + COUNT / 100  # until a probe is answered, and for the rest
BEHAVIOUR = SmscBehaviour(answer_delay_s=0.2, receipt_delay_s=0.2)
SAID = "nhà mạng không trả lời tin nào"


def most_probes(seconds: float) -> int:
    """How many single messages a held bind may send meanwhile: each waits for its answer, then pauses."""
    probes, at, pause = 0, 0.0, FIRST_PAUSE_S
    while at <= seconds:
        probes, at, pause = probes + 1, at + ANSWER_S + pause, min(2 * pause, LONGEST_PAUSE_S)
    return probes


@dataclass(frozen=True, slots=True)
class Scene:
    """Loa, the centre, and who looks at both."""

    home: Home
    smsc: Smsc
    http: httpx.AsyncClient

    async def until(self, true: Callable[[], object], what: str, patience_s: float = 60.0) -> float:
        """Look again and again; after how many seconds it came true."""
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < patience_s, f"not within {patience_s:g} s: {what}"
            await asyncio.sleep(0.1)
        return time.monotonic() - began

    async def is_red(self) -> bool:
        """Whether the overview says why nothing goes, and since when, and the API as well."""
        (link,) = (await self.http.get("/v1/links")).json()
        if link["health"] != "probing":
            return False
        page = re.sub(r"\s+", " ", (await self.http.get("/")).text)
        since = datetime.fromisoformat(link["answered_at"])
        return SAID in page and f"{since:%H:%M}" in page.partition(SAID)[2]

    async def red_after(self, moment: float) -> float:
        """Seconds from the moment until the page is red."""
        while not await self.is_red():
            assert time.monotonic() - moment < RED_WITHIN_S, "the page is not red in time"
            await asyncio.sleep(0.2)
        return time.monotonic() - moment

    async def stop(self, sender: Program) -> float:
        """SIGTERM; how long it takes, with nothing more sent meanwhile."""
        taken, began = self.smsc.taken(), time.monotonic()
        assert await sender.stop() == 0, sender.words()
        assert self.smsc.taken() == taken
        return time.monotonic() - began


@pytest.mark.timeout(SILENT_S + REST_S + 300)
async def test_a_centre_that_answers_no_message_costs_one_window_and_the_probes(home: Home) -> None:
    queue(home.url, COUNT)
    async with Smsc(BEHAVIOUR) as smsc:
        link = {"carrier": "viettel", "kind": "smpp", "host": "127.0.0.1", "port": smsc.port}
        link |= {"system_id": "loa", "password": "loa", "segments_per_second": 500, "window": WINDOW}
        link |= {"receipt_level": "handset"}
        home.configure({"viettel-1": link})
        key = await home.command("key", "add", "clerk")
        headers = {"Authorization": f"Bearer {key}", "Accept-Language": "vi", "Accept": "text/html"}
        async with httpx.AsyncClient(base_url=home.base, headers=headers, timeout=30) as http:
            figures = await _silence(Scene(home, smsc, http))
    BUILD.mkdir(exist_ok=True)
    file = BUILD / f"silent-centre-{'sqlite' if home.sqlite else 'postgresql'}.json"
    file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


async def _silence(scene: Scene) -> dict[str, float]:
    home, smsc, view = scene.home, scene.smsc, View(scene.home.url)
    sender = home.all()[-1]
    await scene.until(lambda: smsc.taken() >= 2000, "the window is full")
    smsc.change(unanswered=1.0, unreported=1.0)
    began = time.monotonic()
    before = int(smsc.report()["answered"])
    red = await scene.red_after(began)
    await _live(scene, sender, began + SILENT_S / 2)
    stopped = await scene.stop(sender)
    assert stopped <= ENDS_WITHIN_S
    assert view.leases() == 0
    sender = home.sender()
    again = await scene.until(lambda: smsc.binds() == 1, "it is bound again")
    await _live(scene, sender, time.monotonic() + SILENT_S / 2)
    unknown = view.tallied(DeliveryState.UNKNOWN)
    most = WINDOW + 1 + 2 * most_probes(SILENT_S / 2)
    figures = {"minutes": SILENT_S / 60, "red_after_s": red, "stopped_in_s": stopped, "bound_again_s": again}
    figures |= {"unknown": unknown, "most_unknown": most, "answered_before": before}
    assert 0 < unknown <= most, figures
    assert await scene.is_red()
    smsc.change(unanswered=0.0, unreported=0.0)
    still = (DeliveryState.QUEUED, DeliveryState.SUBMITTED)
    await scene.until(lambda: view.tallied(*still) == 0, "the rest is delivered", REST_S)
    assert smsc.report()["copies_max"] == 1
    lost = view.tallied(DeliveryState.UNKNOWN)
    assert view.states() == {DeliveryState.DELIVERED: COUNT - lost, DeliveryState.UNKNOWN: lost}
    assert unknown <= lost <= unknown + 1  # the probe that was under way
    await scene.stop(sender)
    for program in home.programs:
        if program.alive():
            assert await program.stop() == 0, program.words()
    verified(home)
    return figures


async def _live(scene: Scene, sender: Program, until: float) -> None:
    """Nothing but probes goes, every bind stays up, and the page says so."""
    while time.monotonic() < until:
        assert sender.alive(), sender.words()
        await asyncio.sleep(5.0)
    assert scene.smsc.binds() == 1


@pytest.mark.parametrize(("seconds", "probes"), [(0, 1), (15, 1), (16, 2), (3600, 52)])
def test_the_bound_counts_as_a_link_pauses(seconds: float, probes: int) -> None:
    assert most_probes(seconds) == probes

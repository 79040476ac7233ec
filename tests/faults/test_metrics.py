"""What Prometheus is told by the process that sends, also where the API runs apart."""

from __future__ import annotations

import re

import httpx
import pytest

from carriers.simulators.smsc import Smsc
from tests.engines import other_by_hand
from tests.faults.processes import Home, free_port, smpp_link
from tests.faults.view import View, queue


def _asked(port: int) -> str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics").text
    except httpx.HTTPError:
        return ""


def _receipts(told: str) -> float:
    """All that were counted: one that overtakes the record of its message is in quarantine first."""
    return sum(map(float, re.findall(r'loa_receipts_total\{outcome="\w+"\} ([\d.]+)', told)))


@pytest.mark.prove
@other_by_hand
async def test_the_sender_tells_of_its_links_results_and_receipts(home: Home) -> None:
    queue(home.url, 50)
    port = home.port if home.sqlite else free_port()
    async with Smsc() as smsc:
        home.configure({"viettel-1": smpp_link("viettel", smsc.port)}, metrics_port=port)
        sender, view = home.sender(), View(home.url)
        await home.until(view.over, "the run is finished")
        # It counts what it has committed, so a moment after the ledger shows it.
        await home.until(lambda: _receipts(_asked(port)) >= 50, "every receipt is counted")
        told = _asked(port)
        assert 'loa_results_total{link="viettel-1",result="accepted"} 50.0' in told
        assert _receipts(told) == 50
        assert 'loa_link_running{carrier="viettel",link="viettel-1"} 1.0' in told
        assert await sender.stop() == 0, sender.words()
